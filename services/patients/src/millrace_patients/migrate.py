"""Bring the database to the newest revision and make its keys: the `millrace.init` entry point of this package."""

from pathlib import Path

from millrace_patients.crypto.open import open_kms, provide_master_key
from millrace_patients.crypto.service_keys import ensure_root_key
from millrace_patients.settings import PatientsSettings
from millrace_platform.database import open_database
from millrace_platform.migrations import Migrations

migrate = Migrations(Path(__file__).with_name("migrations"), lock_key=0x6D696C6C_70617469).apply  # "millpati"


async def prepare(settings: PatientsSettings) -> None:
    """Idempotent: tables, the local master key where it is used, and the service's root key."""
    await migrate(settings.patients_database_url)
    provide_master_key(settings)
    seconds = settings.database_timeout
    async with (
        open_kms(settings) as kms,
        open_database(settings.patients_database_url, name="patients-init", pool_size=1, seconds=seconds) as database,
    ):
        await ensure_root_key(database, kms)


async def init() -> None:
    """Prepares what `MILLRACE_PATIENTS_DATABASE_URL` and the other settings name."""
    await prepare(PatientsSettings())
