"""Creates the service's database tables and AWS resources: the `millrace.init` entry point."""

from pathlib import Path

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_platform.audit.key import create_local_audit_key
from millrace_platform.migrations import Migrations
from millrace_platform.service import aws_settings
from millrace_scheduling.settings import SchedulingSettings

migrate = Migrations(Path(__file__).with_name("migrations"), lock_key=0x6D696C6C_73636865).apply  # "millsche"


async def init() -> None:
    """Create or upgrade the tables, and create the audit key and the consumer's lease table, idempotently."""
    settings = SchedulingSettings()
    create_local_audit_key(settings)
    await migrate(settings.scheduling_database_url)
    async with dynamodb_client(aws_settings(settings)) as client:
        await create_lease_table(client, settings.scheduling_leases_table)
