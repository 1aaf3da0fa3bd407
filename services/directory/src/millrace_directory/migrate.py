"""Create what the service owns: its tables in PostgreSQL and its lease table in DynamoDB."""

from pathlib import Path

from millrace_directory.settings import DirectorySettings
from millrace_feeds.aws import dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_platform.migrations import Migrations
from millrace_platform.service import aws_settings

migrate = Migrations(Path(__file__).with_name("migrations"), lock_key=0x6D696C6C_64697265).apply  # "milldire"


async def init() -> None:
    """Create or upgrade the tables, and create the lease table, idempotently; the `millrace.init` entry point."""
    settings = DirectorySettings()
    await migrate(settings.directory_database_url)
    async with dynamodb_client(aws_settings(settings)) as client:
        await create_lease_table(client, settings.directory_leases_table)
