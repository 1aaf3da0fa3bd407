"""Visits: appointments as this service knows them."""
