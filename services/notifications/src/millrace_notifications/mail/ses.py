"""Amazon SES, version 2 of its interface."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from millrace_feeds.aws import AwsSettings
from millrace_notifications.mail.model import Mail, MailAwayError, MailRefusedError

if TYPE_CHECKING:
    from types_aiobotocore_sesv2 import SESV2Client

ID_HEADER = "X-Millrace-Mail-Id"
UTF8 = "UTF-8"
_REFUSED = frozenset({"BadRequestException", "ValidationException"})
"""What is wrong with the mail itself. All else is about the account or the moment, and passes once it is mended."""


class SesMailer:
    """Sends through SES. `sender` is the `From`."""

    def __init__(self, client: "SESV2Client", sender: str, configuration_set: str | None = None) -> None:
        self._client = client
        self._sender = sender
        self._options = {} if configuration_set is None else {"ConfigurationSetName": configuration_set}

    async def send(self, mail: Mail) -> None:
        try:
            await self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [mail.to]},
                Content={
                    "Simple": {
                        "Subject": {"Data": mail.subject, "Charset": UTF8},
                        "Body": {
                            "Text": {"Data": mail.text, "Charset": UTF8},
                            "Html": {"Data": mail.html, "Charset": UTF8},
                        },
                        "Headers": [{"Name": ID_HEADER, "Value": mail.id}],
                    }
                },
                # They come back with every bounce and delivery event.
                EmailTags=[{"Name": "kind", "Value": mail.kind}, {"Name": "mail-id", "Value": mail.id}],
                **self._options,  # type: ignore[arg-type] # the stubs ask for each by name
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # SES' own messages quote addresses: the code must do, and the cause is cut off.
            raise (MailRefusedError(code) if code in _REFUSED else MailAwayError(code)) from None
        except (BotoCoreError, OSError) as error:
            raise MailAwayError(type(error).__name__) from None


@asynccontextmanager
async def open_ses(
    sender: str, configuration_set: str | None = None, aws: AwsSettings | None = None
) -> AsyncIterator[SesMailer]:
    """A mailer on SES. Nothing is repeated beneath it: a repeat after a timeout could be a second mail."""
    async with open_ses_client(aws) as client:
        yield SesMailer(client, sender, configuration_set)


@asynccontextmanager
async def open_ses_client(aws: AwsSettings | None = None) -> "AsyncIterator[SESV2Client]":
    aws = aws or AwsSettings()
    config = aws.config().merge(AioConfig(retries={"mode": "standard", "total_max_attempts": 1}))
    async with get_session().create_client(
        "sesv2", region_name=aws.region_name, endpoint_url=aws.endpoint_url, config=config
    ) as client:
        yield client
