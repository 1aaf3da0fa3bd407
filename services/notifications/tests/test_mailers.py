"""One contract for all mailers: the fake, SES, and SES behind `RecentEmails`; and the errors of SES."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from aiobotocore.config import AioConfig

from millrace_feeds.aws import AwsSettings
from millrace_feeds.clock import SystemClock
from millrace_notifications.email.memory import RECENT_LIMIT, MemoryMailer, RecentEmails
from millrace_notifications.email.model import Email, EmailRejectedError, EmailUnavailableError, Mailer
from millrace_notifications.email.ses import open_ses
from millrace_notifications.provision import create_identity

from .receiving import run_receiver

SENDER = "Millrace <no-reply@millrace.example>"


def new_email(to: str = "ada@example.org", identifier: str = "1") -> Email:
    return Email(
        id=identifier,
        kind="booked",
        to=to,
        subject="Your appointment with Zoë is booked",
        text="Hello Ada,\n\nsee you at 9:30 – bring your card.\n",
        html="<p>Hello Ada,</p><p>see you at 9:30 – bring your card.</p>",
    )


@dataclass(frozen=True)
class Case:
    """A mailer, and a function that returns subject, text and HTML of the emails sent to an address."""

    mailer: Mailer
    list_arrived: Callable[[str], Awaitable[Sequence[tuple[str, str, str]]]]


@pytest.fixture(params=["memory", "ses", "recent"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    if request.param == "memory":
        memory = MemoryMailer()

        async def list_in_memory(to: str) -> Sequence[tuple[str, str, str]]:
            return [(each.subject, each.text, each.html) for each in memory.sent if each.to == to]

        yield Case(memory, list_in_memory)
        return
    endpoint: str = request.getfixturevalue("aws_endpoint")

    async def list_in_emulator(to: str) -> Sequence[tuple[str, str, str]]:
        async with httpx.AsyncClient() as client:
            shown = (await client.get(f"{endpoint}/_ministack/ses/messages")).json()["messages"]
        emails = [each for account in shown.values() for each in account if each["To"] == [to]]
        return [(each["Subject"], each["BodyText"], each["BodyHtml"]) for each in emails]

    aws = AwsSettings(endpoint_url=endpoint, region="us-east-1")
    for _ in range(2):
        await create_identity(SENDER, aws)
    async with open_ses(SENDER, aws=aws) as ses:
        yield Case(RecentEmails(ses, SystemClock()) if request.param == "recent" else ses, list_in_emulator)


class TestContract:
    async def test_email_arrives_complete(self, case: Case, unique_name: Callable[[str], str]) -> None:
        to = f"{unique_name('ada')}@example.org"
        sent = new_email(to)
        await case.mailer.send(sent)
        assert await case.list_arrived(to) == [(sent.subject, sent.text, sent.html)]

    async def test_concurrent_emails_arrive_once_each(self, case: Case, unique_name: Callable[[str], str]) -> None:
        addresses = [f"{unique_name('many')}@example.org" for _ in range(10)]
        await asyncio.gather(*(case.mailer.send(new_email(to)) for to in addresses))
        assert [len(await case.list_arrived(to)) for to in addresses] == [1] * 10


@asynccontextmanager
async def fake_ses(status: int, code: str, *, silent: bool = False) -> AsyncIterator[Mailer]:
    """Run a fake of SES that sends this response to every request, or none if `silent`."""
    head = f"HTTP/1.1 {status} No\r\nx-amzn-errortype: {code}\r\n"
    body = b'{"message":"ada@example.org must not be quoted"}'
    async with run_receiver(head=head, body=body, silent=silent) as server:
        aws = AwsSettings(endpoint_url=f"http://127.0.0.1:{server.port}", region="us-east-1")
        async with open_ses(SENDER, aws=aws) as ses:
            yield ses


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")


@pytest.mark.usefixtures("credentials")
class TestSesErrors:
    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            (400, "BadRequestException", EmailRejectedError),
            (400, "MessageRejected", EmailUnavailableError),
            (400, "SendingPausedException", EmailUnavailableError),
            (429, "TooManyRequestsException", EmailUnavailableError),
            (403, "AccessDeniedException", EmailUnavailableError),
            (500, "InternalServiceError", EmailUnavailableError),
        ],
    )
    async def test_only_errors_of_the_email_itself_are_permanent(
        self, status: int, code: str, expected: type[Exception]
    ) -> None:
        async with fake_ses(status, code) as ses:
            with pytest.raises(expected) as raised:
                await ses.send(new_email())
        assert str(raised.value) == code
        assert raised.value.__cause__ is None

    async def test_timeout_is_temporary(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def config(_: AwsSettings, attempts: int) -> AioConfig:
            return AioConfig(read_timeout=0.5, retries={"total_max_attempts": attempts})

        monkeypatch.setattr(AwsSettings, "config", config)
        async with fake_ses(200, "-", silent=True) as ses:
            with pytest.raises(EmailUnavailableError, match="ReadTimeoutError"):
                await ses.send(new_email())

    async def test_refused_connection_is_temporary(self) -> None:
        aws = AwsSettings(endpoint_url="http://127.0.0.1:9", region="us-east-1")
        async with open_ses(SENDER, aws=aws) as ses:
            with pytest.raises(EmailUnavailableError):
                await ses.send(new_email())


class TestMemory:
    async def test_fake_rejects_addresses_and_can_be_unavailable(self) -> None:
        mailer = MemoryMailer()
        with pytest.raises(EmailRejectedError):
            await mailer.send(new_email("nobody"))
        mailer.unavailable = True
        with pytest.raises(EmailUnavailableError):
            await mailer.send(new_email())
        assert mailer.sent == []

    async def test_only_the_last_sent_emails_are_stored(self) -> None:
        mailer = MemoryMailer()
        recent = RecentEmails(mailer, SystemClock())
        for number in range(RECENT_LIMIT + 5):
            await recent.send(new_email(identifier=str(number)))
        mailer.unavailable = True
        with pytest.raises(EmailUnavailableError):
            await recent.send(new_email(identifier="x"))
        assert [each.email.id for each in recent.list_emails()] == [
            str(number) for number in range(5, RECENT_LIMIT + 5)
        ]

    def test_repr_of_an_email_omits_its_contents(self) -> None:
        shown: Any = repr(new_email())
        assert "ada" not in shown
        assert "9:30" not in shown
