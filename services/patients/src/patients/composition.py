"""What the service and its commands both need first: the database, the KMS and the service's own keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from millrace_platform.database import Database, open_database
from patients.crypto.kms import Kms
from patients.crypto.open import open_kms
from patients.crypto.service_keys import ServiceKeys, load_service_keys
from patients.settings import PatientsSettings


@dataclass(frozen=True, slots=True)
class Core:
    """Open while the block of `open_core` runs."""

    database: Database
    kms: Kms
    keys: ServiceKeys


@asynccontextmanager
async def open_core(settings: PatientsSettings) -> AsyncIterator[Core]:
    """Raises `MasterKeyError` or `NoRootKeyError` where `millrace init` has to run first."""
    async with (
        open_database(
            settings.patients_database_url,
            name="patients",
            pool_size=settings.database_pool_size,
            seconds=settings.database_timeout,
        ) as database,
        open_kms(settings) as kms,
    ):
        yield Core(database, kms, await load_service_keys(database, kms))
