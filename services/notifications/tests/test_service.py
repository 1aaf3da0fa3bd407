"""Tests of the service on emulated Kinesis, DynamoDB and SES, with a stub server for `patients`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from millrace_feeds.aws import dynamodb_client, kinesis_client
from millrace_feeds.provision import create_dead_letters_table, create_stream
from millrace_feeds.transport import OutgoingRecord
from millrace_feeds.wiring import open_transport
from millrace_notifications.main import create
from millrace_notifications.patients_client import PatientsClient, PatientsUnavailableError, open_patients
from millrace_notifications.provision import init
from millrace_platform.service_tokens import CallPurpose, ServiceTokenSigner, ServiceTokenVerifier
from millrace_platform.testing import SERVICE_KEY, ManualClock, run_app
from millrace_platform.tls import client_context

from .receiving import Receiver, run_receiver
from .running import ADA, Feed, appointment, provider, provider_location

ANA, BEA = "01890a5d-ac96-774b-bcce-00000000000a", "01890a5d-ac96-774b-bcce-00000000000b"
CONTACT = b'{"items": [{"patient_id": "%s", "email": "%s@example.org"}]}'
TABLES = {"leases": "MILLRACE_NOTIFICATIONS_LEASES_TABLE", "dead-letters": "MILLRACE_DEAD_LETTERS_TABLE"}


@pytest.fixture
async def stream(
    aws_endpoint: str,
    postgres_dsn: str,
    tmp_path: Path,
    unique_name: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Create a stream, tables and a database, and set their names in the environment; return the stream's name."""
    names = {name: unique_name(name) for name in ("entities", *TABLES)}
    monkeypatch.setenv("MILLRACE_ENTITIES_STREAM", names["entities"])
    monkeypatch.setenv("MILLRACE_NOTIFICATIONS_DATABASE_URL", postgres_dsn)
    monkeypatch.setenv("MILLRACE_NOTIFICATIONS_WEBHOOK_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("MILLRACE_NOTIFICATIONS_SHOW_MAILS", "true")
    monkeypatch.setenv("MILLRACE_NOTIFICATIONS_PATIENTS_KEYS", SERVICE_KEY)
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


async def list_sent_emails(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    emails: list[dict[str, Any]] = (await client.get("/internal/notifications/outbox")).json()["items"]
    return emails


async def test_booking_on_the_feed_sends_an_email(
    stream: str, aws_endpoint: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique_name("ada")
    feed = Feed(ManualClock(datetime.now(UTC)))
    entities = (provider(), provider_location(), appointment(datetime.now(UTC) + timedelta(days=3)))
    records = [feed.record(entity) for entity in entities]
    async with (
        run_receiver(body=CONTACT % (ADA.encode(), name.encode())) as patients,
        running(patients, monkeypatch) as client,
        open_transport() as transport,
        asyncio.timeout(60),
    ):
        await transport.put_records(stream, [OutgoingRecord(each.key, each.body) for each in records])
        while not (emails := await list_sent_emails(client)):  # noqa: ASYNC110 # waits for other tasks
            await asyncio.sleep(0.05)
        assert (emails[0]["kind"], emails[0]["to"]) == ("booked", f"{name}@example.org")
        assert "Maria O'Connell-Ruiz, MD" in emails[0]["text"]
        assert (await client.get("/readyz")).status_code == 200
    async with httpx.AsyncClient() as http:
        messages = (await http.get(f"{aws_endpoint}/_ministack/ses/messages")).json()["messages"]
    assert [each["To"] for account in messages.values() for each in account].count([f"{name}@example.org"]) == 1
    (request,) = [each for each in patients.requests if each.line.startswith("POST /internal/patients/contacts ")]
    assert request.body == b'{"patient_ids":["%s"]}' % ADA.encode()
    assert request.headers["purpose-of-use"] == "HOPERAT"


CLOCK = ManualClock()
TOKENS = ServiceTokenSigner("notifications", "patients", SERVICE_KEY, CLOCK)


class TestPatientsClient:
    @pytest.fixture
    async def server(self) -> AsyncIterator[Receiver]:
        """Run a server that returns the contact of `ANA` to every request."""
        async with run_receiver(body=CONTACT % (ANA.encode(), b"ada")) as server:
            yield server

    @pytest.fixture
    async def patients(self, server: Receiver) -> AsyncIterator[PatientsClient]:
        async with open_patients(url(server), client_context(None), TOKENS) as patients:
            yield patients

    async def test_requests_carry_a_token_for_their_purpose(self, patients: PatientsClient, server: Receiver) -> None:
        await patients.find_contact(ANA)
        await patients.delete(UUID(ANA))
        verifier = ServiceTokenVerifier("patients", {"notifications": [SERVICE_KEY]}, CLOCK)
        sent = [request.headers["authorization"].removeprefix("Bearer ") for request in server.requests]
        assert [verifier.verify(token).purpose for token in sent] == [CallPurpose.CONTACTS, CallPurpose.ACCOUNT_EMAILS]

    async def test_contact_is_decoded(self, patients: PatientsClient) -> None:
        contact = await patients.find_contact(ANA)
        assert contact is not None
        assert contact.email == "ada@example.org"
        assert "ada" not in repr(contact)

    async def test_concurrent_lookups_share_a_request(self, patients: PatientsClient, server: Receiver) -> None:
        found = await asyncio.gather(*map(patients.find_contact, (ANA, BEA, ANA)))
        assert [each is not None for each in found] == [True, False, True]
        (request,) = server.requests
        assert request.body == b'{"patient_ids":["%s","%s"]}' % (ANA.encode(), BEA.encode())
        await patients.find_contact(ANA)
        assert len(server.requests) == 2

    async def test_cancelled_lookup_wakes_other_waiters(self, patients: PatientsClient) -> None:
        first, second = (asyncio.create_task(patients.find_contact(each)) for each in (ANA, BEA))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(PatientsUnavailableError):
            await second
        assert await patients.find_contact(ANA) is not None

    async def test_invalid_id_has_no_contact(self, patients: PatientsClient, server: Receiver) -> None:
        assert await patients.find_contact("a/../b") is None
        assert server.requests == []

    @pytest.mark.parametrize(("head", "body"), [("HTTP/1.1 503 No\r\n", b""), ("HTTP/1.1 200 OK\r\n", b'{"email": 1}')])
    async def test_invalid_responses_mean_unavailable(self, head: str, body: bytes) -> None:
        async with (
            run_receiver(head=head, body=body) as server,
            open_patients(url(server), client_context(None), TOKENS) as patients,
        ):
            for call in (patients.find_contact(ANA), patients.list_emails()):
                with pytest.raises(PatientsUnavailableError) as raised:
                    await call
                assert raised.value.__cause__ is None


def url(server: Receiver) -> str:
    return f"http://127.0.0.1:{server.port}"
