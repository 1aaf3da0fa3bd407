"""What this service owns outside of itself: the `millrace.init` entry point of this package."""

from email.utils import parseaddr

from botocore.exceptions import ClientError

from millrace_feeds.aws import AwsSettings, dynamodb_client
from millrace_feeds.provision import create_lease_table
from millrace_notifications.keys import provide_key
from millrace_notifications.mail.ses import open_ses_client
from millrace_notifications.migrate import migrate
from millrace_notifications.settings import NotificationsSettings
from millrace_platform.service import aws_settings


async def init() -> None:
    """Idempotent: tables, the local webhook key, the table of leases; on an emulator also the sender's identity."""
    settings = NotificationsSettings()
    await migrate(settings.notifications_database_url)
    provide_key(settings)
    aws = aws_settings(settings)
    async with dynamodb_client(aws) as client:
        await create_lease_table(client, settings.notifications_leases_table)
    # On AWS an identity is verified by its owner's DNS records, beside the service's own stack.
    if settings.aws_endpoint_url is not None:
        await create_identity(settings.notifications_sender, aws)


async def create_identity(sender: str, aws: AwsSettings) -> None:
    """Have SES know the domain of the sender."""
    domain = parseaddr(sender)[1].rpartition("@")[2]
    async with open_ses_client(aws) as client:
        try:
            await client.create_email_identity(EmailIdentity=domain)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AlreadyExistsException":
                raise
