"""All tables of the directory under one metadata, for migrations and their tests."""

from millrace_directory.insurance_plan.tables import insurance_plan
from millrace_directory.location.tables import location
from millrace_directory.practice.tables import practice
from millrace_directory.provider.tables import provider
from millrace_directory.provider_location.tables import provider_location
from millrace_directory.tables import metadata

__all__ = ["insurance_plan", "location", "metadata", "practice", "provider", "provider_location"]
