"""Creation of the service's external resources (entry point `millrace.init`)."""

from email.utils import parseaddr

from botocore.exceptions import ClientError

from millrace_feeds.aws import AwsSettings, dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_notifications.email.ses import open_ses_client
from millrace_notifications.keys import create_local_key
from millrace_notifications.migrate import migrate
from millrace_notifications.settings import NotificationsSettings
from millrace_platform.service import aws_settings


async def init() -> None:
    """Create tables, the local webhook key and the lease table; on an emulator also the SES identity. Idempotent."""
    settings = NotificationsSettings()
    await migrate(settings.notifications_database_url)
    create_local_key(settings)
    aws = aws_settings(settings)
    async with dynamodb_client(aws) as client:
        await create_lease_table(client, settings.notifications_leases_table)
    # On AWS the identity is verified through DNS records, outside the service's stack.
    if settings.aws_endpoint_url is not None:
        await create_identity(settings.notifications_sender, aws)


async def create_identity(sender: str, aws: AwsSettings) -> None:
    """Create the SES identity of the sender's domain, unless it exists."""
    domain = parseaddr(sender)[1].rpartition("@")[2]
    async with open_ses_client(aws) as client:
        try:
            await client.create_email_identity(EmailIdentity=domain)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AlreadyExistsException":
                raise
