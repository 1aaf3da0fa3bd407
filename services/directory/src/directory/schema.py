"""All tables of the directory under one metadata, for migrations and their tests."""

from directory.insurance_plan.tables import insurance_plan
from directory.location.tables import location
from directory.practice.tables import practice
from directory.provider.tables import provider
from directory.provider_location.tables import provider_location
from directory.tables import metadata

__all__ = ["insurance_plan", "location", "metadata", "practice", "provider", "provider_location"]
