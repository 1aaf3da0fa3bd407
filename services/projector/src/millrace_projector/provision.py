"""Create the resources of the projector on AWS."""

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_platform.service import aws_settings
from millrace_projector.settings import ProjectorSettings
from millrace_readmodel.truth import create_table


async def init() -> None:
    """Create the DynamoDB tables for the source of truth and the leases unless they exist. Raises `Unavailable`."""
    settings = ProjectorSettings()
    async with dynamodb_client(aws_settings(settings)) as client:
        await create_table(client, settings.truth_table)
        await create_lease_table(client, settings.projector_leases_table)
