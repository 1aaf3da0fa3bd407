"""Validate, normalize and order the events of the `changes` feed, and publish them on the `entities` feed."""
