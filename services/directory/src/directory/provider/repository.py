"""Providers in the database."""

from directory.provider.model import Provider
from directory.provider.tables import provider
from directory.repository import Repository

providers = Repository(provider, Provider)
