"""Create what the service owns: its tables in PostgreSQL and its lease table in DynamoDB."""

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_platform.service import aws_settings
from millrace_reviews.migrate import migrate
from millrace_reviews.settings import ReviewsSettings


async def init() -> None:
    """Create or upgrade the tables, and create the lease table, idempotently; the `millrace.init` entry point."""
    settings = ReviewsSettings()
    await migrate(settings.reviews_database_url)
    async with dynamodb_client(aws_settings(settings)) as client:
        await create_lease_table(client, settings.reviews_leases_table)
