"""Migrate the database and create the service's keys: the `millrace.init` entry point of this package."""

from pathlib import Path

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_patients.composition import open_kms, provide_master_key
from millrace_patients.crypto.service_keys import ensure_root_key
from millrace_patients.erasure.ledger import create_ledger_table
from millrace_patients.settings import PatientsSettings
from millrace_platform.database import open_database
from millrace_platform.migrations import Migrations
from millrace_platform.service import aws_settings

migrate = Migrations(Path(__file__).with_name("migrations"), lock_key=0x6D696C6C_70617469).apply  # "millpati"


async def prepare(settings: PatientsSettings) -> None:
    """Create the tables, the local master key if one is used, and the root key, idempotently."""
    await migrate(settings.patients_database_url)
    provide_master_key(settings)
    seconds = settings.database_timeout
    async with (
        open_kms(settings) as kms,
        open_database(settings.patients_database_url, name="patients-init", pool_size=1, seconds=seconds) as database,
    ):
        await ensure_root_key(database, kms)


async def init() -> None:
    """Prepare the database that the environment's settings name, and create the tables of leases and of erasures."""
    settings = PatientsSettings()
    await prepare(settings)
    async with dynamodb_client(aws_settings(settings)) as client:
        await create_lease_table(client, settings.patients_leases_table)
        await create_ledger_table(client, settings.patients_erasures_table)
