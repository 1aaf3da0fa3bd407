"""Dependants: people a patient books for."""
