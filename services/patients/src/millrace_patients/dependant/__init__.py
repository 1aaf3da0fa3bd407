"""Dependants: people that a patient books for."""
