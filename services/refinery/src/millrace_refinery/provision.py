"""Create the DynamoDB tables of the refinery."""

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_platform.service import aws_settings
from millrace_refinery.dynamodb import create_table
from millrace_refinery.settings import RefinerySettings


async def init() -> None:
    """Create the tables of key states and leases unless they exist. Raises `Unavailable`."""
    settings = RefinerySettings()
    async with dynamodb_client(aws_settings(settings)) as client:
        await create_table(client, settings.refinery_table)
        await create_lease_table(client, settings.refinery_leases_table)
