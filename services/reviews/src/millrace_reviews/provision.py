"""What the service owns: its database's tables, and its table of leases on AWS."""

from millrace_feeds.aws import AwsSettings, dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_reviews.migrate import migrate
from millrace_reviews.settings import ReviewsSettings


def aws_settings(settings: ReviewsSettings) -> AwsSettings:
    return AwsSettings(endpoint_url=settings.aws_endpoint_url, region=settings.aws_region)


async def init() -> None:
    """Idempotent: the `millrace.init` entry point of this package."""
    settings = ReviewsSettings()
    await migrate(settings.reviews_database_url)
    async with dynamodb_client(aws_settings(settings)) as client:
        await create_lease_table(client, settings.reviews_leases_table)
