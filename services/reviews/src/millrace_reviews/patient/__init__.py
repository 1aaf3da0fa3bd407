"""Patients as this service stores them: an opaque id and whether the patient was erased."""
