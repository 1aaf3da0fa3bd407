"""One contract for all that sends mail: the fake of other tests, SES, and SES with a memory before it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
import pytest

from millrace_feeds.aws import AwsSettings
from millrace_notifications.mail.memory import KEPT, MemoryMailer, RecentMails
from millrace_notifications.mail.model import Mail, MailAwayError, Mailer, MailRefusedError
from millrace_notifications.mail.ses import open_ses
from millrace_notifications.provision import create_identity

SENDER = "Millrace <no-reply@millrace.example>"


def mail(to: str = "ada@example.org", identifier: str = "1") -> Mail:
    return Mail(
        id=identifier,
        kind="booked",
        to=to,
        subject="Your appointment with Zoë is booked",
        text="Hello Ada,\n\nsee you at 9:30 – bring your card.\n",
        html="<p>Hello Ada,</p><p>see you at 9:30 – bring your card.</p>",
    )


class Case(Protocol):
    """One way of sending, and how to see what came of it."""

    mailer: Mailer

    async def arrived(self, to: str) -> Sequence[tuple[str, str, str]]:
        """Subject, text and HTML of what went to an address."""
        ...


class MemoryCase:
    def __init__(self) -> None:
        self._memory = MemoryMailer()
        self.mailer: Mailer = self._memory

    async def arrived(self, to: str) -> Sequence[tuple[str, str, str]]:
        return [(each.subject, each.text, each.html) for each in self._memory.sent if each.to == to]


class SesCase:
    def __init__(self, mailer: Mailer, endpoint: str) -> None:
        self.mailer = mailer
        self._endpoint = endpoint

    async def arrived(self, to: str) -> Sequence[tuple[str, str, str]]:
        async with httpx.AsyncClient() as client:
            shown = (await client.get(f"{self._endpoint}/_ministack/ses/messages")).json()["messages"]
        mails = [each for account in shown.values() for each in account if each["To"] == [to]]
        return [(each["Subject"], each["BodyText"], each["BodyHtml"]) for each in mails]


@pytest.fixture(params=["memory", "ses", "recent"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    if request.param == "memory":
        yield MemoryCase()
        return
    endpoint: str = request.getfixturevalue("aws_endpoint")
    aws = AwsSettings(endpoint_url=endpoint, region="us-east-1")
    for _ in range(2):
        await create_identity(SENDER, aws)
    async with open_ses(SENDER, aws=aws) as ses:
        yield SesCase(RecentMails(ses) if request.param == "recent" else ses, endpoint)


class TestContract:
    async def test_what_is_sent_arrives_whole(self, case: Case, unique_name: Callable[[str], str]) -> None:
        to = f"{unique_name('ada')}@example.org"
        sent = mail(to)
        await case.mailer.send(sent)
        assert await case.arrived(to) == [(sent.subject, sent.text, sent.html)]

    async def test_many_at_once_arrive_once_each(self, case: Case, unique_name: Callable[[str], str]) -> None:
        addresses = [f"{unique_name('many')}@example.org" for _ in range(10)]
        await asyncio.gather(*(case.mailer.send(mail(to)) for to in addresses))
        assert [len(await case.arrived(to)) for to in addresses] == [1] * 10


@asynccontextmanager
async def answering(status: int, code: str, delay: float = 0.0) -> AsyncIterator[Mailer]:
    """SES where every answer is this one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.partition(b":")[2]))
        await asyncio.sleep(delay)
        body = b'{"message":"ada@example.org is not to be quoted"}'
        writer.write(
            f"HTTP/1.1 {status} No\r\nx-amzn-errortype: {code}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    aws = AwsSettings(endpoint_url=f"http://127.0.0.1:{port}", region="us-east-1", read_timeout=0.5)
    async with server, open_ses(SENDER, aws=aws) as ses:
        yield ses


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")


@pytest.mark.usefixtures("credentials")
class TestWhatSesSays:
    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            (400, "BadRequestException", MailRefusedError),
            (400, "MessageRejected", MailAwayError),
            (400, "SendingPausedException", MailAwayError),
            (429, "TooManyRequestsException", MailAwayError),
            (403, "AccessDeniedException", MailAwayError),
            (500, "InternalServiceError", MailAwayError),
        ],
    )
    async def test_only_what_is_wrong_with_the_mail_itself_is_final(
        self, status: int, code: str, expected: type[Exception]
    ) -> None:
        async with answering(status, code) as ses:
            with pytest.raises(expected) as raised:
                await ses.send(mail())
        assert str(raised.value) == code
        assert raised.value.__cause__ is None

    async def test_no_answer_in_time_leaves_it_open(self) -> None:
        async with answering(200, "-", delay=2.0) as ses:
            with pytest.raises(MailAwayError, match="ReadTimeoutError"):
                await ses.send(mail())

    async def test_nobody_there(self) -> None:
        aws = AwsSettings(endpoint_url="http://127.0.0.1:9", region="us-east-1")
        async with open_ses(SENDER, aws=aws) as ses:
            with pytest.raises(MailAwayError):
                await ses.send(mail())


class TestMemory:
    async def test_the_fake_can_refuse_and_be_away(self) -> None:
        mailer = MemoryMailer()
        with pytest.raises(MailRefusedError):
            await mailer.send(mail("nobody"))
        mailer.away = True
        with pytest.raises(MailAwayError):
            await mailer.send(mail())
        assert mailer.sent == []

    async def test_only_the_last_ones_that_left_are_remembered(self) -> None:
        mailer = MemoryMailer()
        recent = RecentMails(mailer)
        for number in range(KEPT + 5):
            await recent.send(mail(identifier=str(number)))
        mailer.away = True
        with pytest.raises(MailAwayError):
            await recent.send(mail(identifier="x"))
        assert [each.id for each in recent.recent()] == [str(number) for number in range(5, KEPT + 5)]

    def test_a_mail_shows_nothing_of_itself(self) -> None:
        shown: Any = repr(mail())
        assert "ada" not in shown
        assert "9:30" not in shown
