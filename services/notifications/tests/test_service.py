"""The service as it is deployed, on emulated Kinesis, DynamoDB and SES; `patients` is a server that answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace_feeds.aws import dynamodb_client, kinesis_client
from millrace_feeds.provision import create_dead_letters_table, create_stream
from millrace_feeds.transport import OutgoingRecord
from millrace_feeds.wiring import open_transport
from millrace_notifications.main import create
from millrace_notifications.patients_client import PatientsAwayError, open_patients
from millrace_notifications.provision import init
from millrace_platform.testing import ManualClock, run_app

from .receiving import Receiver, receiving
from .running import ADA, Feed, appointment, place, provider

ANA, BEA = "01890a5d-ac96-774b-bcce-00000000000a", "01890a5d-ac96-774b-bcce-00000000000b"
CONTACT = b'{"items": [{"patient_id": "%s", "email": "%s@example.org", "given_name": "Ada"}]}'
TABLES = {"leases": "MILLRACE_NOTIFICATIONS_LEASES_TABLE", "dead-letters": "MILLRACE_DEAD_LETTERS_TABLE"}


@pytest.fixture
async def stream(
    aws_endpoint: str,
    postgres_dsn: str,
    tmp_path: Path,
    unique_name: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A fresh `entities`; it, fresh tables and a database are named by the environment."""
    names = {name: unique_name(name) for name in ("entities", *TABLES)}
    monkeypatch.setenv("MILLRACE_ENTITIES_STREAM", names["entities"])
    monkeypatch.setenv("MILLRACE_NOTIFICATIONS_DATABASE_URL", postgres_dsn)
    monkeypatch.setenv("MILLRACE_NOTIFICATIONS_WEBHOOK_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("MILLRACE_NOTIFICATIONS_SHOW_MAILS", "true")
    for name, variable in TABLES.items():
        monkeypatch.setenv(variable, names[name])
    async with kinesis_client() as kinesis, dynamodb_client() as dynamodb:
        await create_stream(kinesis, names["entities"])
        await create_dead_letters_table(dynamodb, names["dead-letters"])
    await init()
    await init()
    return names["entities"]


@asynccontextmanager
async def running(patients: Receiver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("MILLRACE_PATIENTS_URL", f"http://127.0.0.1:{patients.port}")
    async with run_app(create()) as client:
        yield client


async def shown(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    mails: list[dict[str, Any]] = (await client.get("/internal/notifications/outbox")).json()["items"]
    return mails


async def test_a_booking_on_the_feed_becomes_a_mail(
    stream: str, aws_endpoint: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique_name("ada")
    feed = Feed(ManualClock(datetime.now(UTC)))
    entities = (provider(), place(), appointment(datetime.now(UTC) + timedelta(days=3)))
    records = [feed.record(entity) for entity in entities]
    async with (
        receiving(body=CONTACT % (ADA.encode(), name.encode())) as patients,
        running(patients, monkeypatch) as client,
        open_transport() as transport,
        asyncio.timeout(60),
    ):
        await transport.put_records(stream, [OutgoingRecord(each.key, each.body) for each in records])
        while not (mails := await shown(client)):  # noqa: ASYNC110 # other tasks bring it about
            await asyncio.sleep(0.05)
        assert (mails[0]["kind"], mails[0]["to"]) == ("booked", f"{name}@example.org")
        assert "Maria O'Connell-Ruiz, MD" in mails[0]["text"]
        assert (await client.get("/readyz")).status_code == 200
    async with httpx.AsyncClient() as http:
        messages = (await http.get(f"{aws_endpoint}/_ministack/ses/messages")).json()["messages"]
    assert [each["To"] for account in messages.values() for each in account].count([f"{name}@example.org"]) == 1
    (asked,) = [each for each in patients.requests if each.line.startswith("POST /internal/patients/contacts ")]
    assert asked.body == b'{"patient_ids":["%s"]}' % ADA.encode()
    assert asked.headers["purpose-of-use"] == "HOPERAT"


class TestPatientsOverHttp:
    async def test_an_answer_is_taken_apart(self) -> None:
        async with receiving(body=CONTACT % (ANA.encode(), b"ada")) as server, open_patients(url(server)) as patients:
            contact = await patients.contact(ANA)
            assert contact is not None
            assert (contact.email, contact.given_name) == ("ada@example.org", "Ada")
            assert "ada" not in repr(contact)

    async def test_those_who_ask_together_share_a_request(self) -> None:
        async with receiving(body=CONTACT % (ANA.encode(), b"ada")) as server, open_patients(url(server)) as patients:
            found = await asyncio.gather(*map(patients.contact, (ANA, BEA, ANA)))
            assert [each is not None for each in found] == [True, False, True]
            assert [each.body for each in server.requests] == [
                b'{"patient_ids":["%s","%s"]}' % (ANA.encode(), BEA.encode())
            ]
            await patients.contact(ANA)
            assert len(server.requests) == 2

    async def test_who_gives_up_leaves_nobody_waiting(self) -> None:
        async with receiving(body=CONTACT % (ANA.encode(), b"ada")) as server, open_patients(url(server)) as patients:
            first, second = (asyncio.create_task(patients.contact(each)) for each in (ANA, BEA))
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(PatientsAwayError):
                await second
            assert await patients.contact(ANA) is not None

    async def test_what_is_no_id_is_nobodys(self) -> None:
        async with receiving() as server, open_patients(url(server)) as patients:
            assert await patients.contact("a/../b") is None
            assert server.requests == []

    @pytest.mark.parametrize(("head", "body"), [("HTTP/1.1 503 No\r\n", b""), ("HTTP/1.1 200 OK\r\n", b'{"email": 1}')])
    async def test_what_is_no_answer_is_away(self, head: str, body: bytes) -> None:
        async with receiving(head=head, body=body) as server, open_patients(url(server)) as patients:
            for asking in (patients.contact(ANA), patients.waiting()):
                with pytest.raises(PatientsAwayError) as raised:
                    await asking
                assert raised.value.__cause__ is None


def url(server: Receiver) -> str:
    return f"http://127.0.0.1:{server.port}"
