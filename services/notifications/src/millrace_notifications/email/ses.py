"""Mailer for Amazon SES (API version 2)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from millrace_feeds.aws import AwsSettings
from millrace_notifications.email.model import Email, EmailRejectedError, EmailUnavailableError

if TYPE_CHECKING:
    from types_aiobotocore_sesv2 import SESV2Client

ID_HEADER = "X-Millrace-Mail-Id"
UTF8 = "UTF-8"
_REJECTED_CODES = frozenset({"BadRequestException", "ValidationException"})
"""Error codes for an invalid email. All other errors concern the account or are temporary."""


class SesMailer:
    """Sends emails through SES. `sender` is the `From` address."""

    def __init__(self, client: "SESV2Client", sender: str, configuration_set: str | None = None) -> None:
        self._client = client
        self._sender = sender
        self._options = {} if configuration_set is None else {"ConfigurationSetName": configuration_set}

    async def send(self, email: Email) -> None:
        try:
            await self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [email.to]},
                Content={
                    "Simple": {
                        "Subject": {"Data": email.subject, "Charset": UTF8},
                        "Body": {
                            "Text": {"Data": email.text, "Charset": UTF8},
                            "Html": {"Data": email.html, "Charset": UTF8},
                        },
                        "Headers": [{"Name": ID_HEADER, "Value": email.id}],
                    }
                },
                # SES includes the tags in every bounce and delivery event.
                EmailTags=[{"Name": "kind", "Value": email.kind}, {"Name": "mail-id", "Value": email.id}],
                **self._options,  # type: ignore[arg-type] # the stubs ask for each by name
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # The messages of SES contain addresses, so only the code is reported, without the cause.
            raise (EmailRejectedError(code) if code in _REJECTED_CODES else EmailUnavailableError(code)) from None
        except (BotoCoreError, OSError) as error:
            raise EmailUnavailableError(type(error).__name__) from None


@asynccontextmanager
async def open_ses(
    sender: str, configuration_set: str | None = None, aws: AwsSettings | None = None
) -> AsyncIterator[SesMailer]:
    """Open a mailer on SES. The client makes a single attempt: a retry after a timeout could send the email twice."""
    async with open_ses_client(aws) as client:
        yield SesMailer(client, sender, configuration_set)


@asynccontextmanager
async def open_ses_client(aws: AwsSettings | None = None) -> "AsyncIterator[SESV2Client]":
    """Open an SES client without retries."""
    aws = aws or AwsSettings()
    async with get_session().create_client(
        "sesv2", region_name=aws.region_name, endpoint_url=aws.endpoint_url, config=aws.config(attempts=1)
    ) as client:
        yield client
