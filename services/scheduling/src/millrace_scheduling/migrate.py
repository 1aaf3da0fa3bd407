"""Bring the database to the newest revision and make what the service owns on AWS: the `millrace.init` entry point."""

from pathlib import Path

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_platform.migrations import Migrations
from millrace_platform.service import aws_settings
from millrace_scheduling.settings import SchedulingSettings

migrate = Migrations(Path(__file__).with_name("migrations"), lock_key=0x6D696C6C_73636865).apply  # "millsche"


async def init() -> None:
    """Idempotent: the tables, and the lease table of the consumer, as the environment names them."""
    settings = SchedulingSettings()
    await migrate(settings.scheduling_database_url)
    async with dynamodb_client(aws_settings(settings)) as client:
        await create_lease_table(client, settings.scheduling_leases_table)
