"""Visits: appointments as this service stores them."""
