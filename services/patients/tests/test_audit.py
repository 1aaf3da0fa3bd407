"""The audit trail (complete, append-only, chained) and the absence of personal data elsewhere."""

import asyncio
import base64
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Executable, Table, delete, func, select, text, update
from sqlalchemy.exc import DBAPIError

from millrace_contracts.envelope import encode
from millrace_feeds.testing import wait_until
from millrace_patients.account.cli import app as accounts_command
from millrace_patients.composition import open_kms
from millrace_patients.crypto.service_keys import load_service_keys
from millrace_patients.schema import metadata
from millrace_platform.audit.anchors import AnchorWriter, decode_lines
from millrace_platform.audit.cli import app as audit_command
from millrace_platform.audit.model import CHAINS, START, Head
from millrace_platform.audit.repository import AuditTrail
from millrace_platform.audit.tables import audit_entry, audit_head
from millrace_platform.audit.verification import count_anchored, verify_trail
from millrace_platform.database import open_database
from millrace_platform.logging import json_formatter

from .running import PASSWORD, PRACTICE, Account, Service, run_command, running, set_environment, settings_for

TAMPER = "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_append_only"


async def audit_key(service: Service) -> bytes:
    async with open_kms(service.settings) as kms:
        return (await load_service_keys(service.database, kms)).audit


async def check(service: Service, anchors: list[Head] | None = None) -> tuple[list[Head], list[str]]:
    return await verify_trail(service.database, await audit_key(service), anchors or [])


async def execute(service: Service, *statements: Executable) -> None:
    async with service.database.transaction() as session:
        for statement in statements:
            await session.execute(statement)


async def test_access_is_recorded_with_actor_action_and_purpose(service: Service, ada: Account) -> None:
    staff = await service.account("s@example.org", "staff", practices=[PRACTICE])
    support = await service.account("support@example.org", "support")
    await service.client.put(f"{ada.path}/practices/{PRACTICE}", headers=ada.headers)
    await service.client.get(f"{ada.path}/insurance-cards", headers=staff.headers_with("TREAT"))
    await service.client.get(ada.path, headers=support.headers_with("HSYSADMIN"))
    response = await service.client.get(f"{ada.path}/accesses", headers=ada.headers)
    assert [(e["actor"], e["roles"], e["deed"], e["what"], e["purpose"]) for e in response.json()["items"]] == [
        (support.id, ["support"], "read", "profile", "HSYSADMIN"),
        (staff.id, ["staff"], "read", "insurance-cards", "TREAT"),
        (ada.id, ["patient"], "create", f"share/{PRACTICE}", "PATRQT"),
        (ada.id, ["patient"], "create", "profile", "PATRQT"),
        (ada.id, ["patient"], "sign-in", "session", "PATRQT"),
        (ada.id, ["patient"], "create", "account", "PATRQT"),
    ]


async def test_sign_ins_and_refused_ones_are_recorded_with_their_source(service: Service, ada: Account) -> None:
    for source, password in (("192.0.2.7", "wrong"), ("2001:db8:1::7", PASSWORD)):
        body, headers = {"email": "ada@example.org", "password": password}, {"X-Forwarded-For": source}
        await service.client.post("/v1/auth/sign-in", json=body, headers=headers)
    items = (await service.client.get(f"{ada.path}/accesses", headers=ada.headers)).json()["items"]
    assert [(e["actor"], e["deed"], e["what"], e["source"]) for e in items[:2]] == [
        (ada.id, "sign-in", "session", "2001:db8:1::/64"),
        (None, "refuse", "session", "192.0.2.7"),
    ]
    assert items[-1]["source"] is None


async def test_sign_in_without_the_right_code_is_recorded(service: Service, ada: Account) -> None:
    await service.enroll(ada)
    for code in (None, "000000"):
        assert (await service.try_sign_in("ada@example.org", code=code)).status_code == 401
    items = (await service.client.get(f"{ada.path}/accesses", headers=ada.headers)).json()["items"]
    refused = [(each["actor"], each["what"]) for each in items if each["deed"] == "refuse"]
    assert refused == [(None, "second-factor")] * 2
    assert all(each["source"] for each in items if each["deed"] == "refuse")


async def test_refused_sign_in_without_an_account_is_recorded_too(service: Service) -> None:
    before = await _count(service)
    body = {"email": "nobody@example.org", "password": PASSWORD}
    assert (await service.client.post("/v1/auth/sign-in", json=body)).status_code == 401
    assert await _count(service) == before + 1


async def test_granted_roles_are_recorded(service: Service, ada: Account) -> None:
    admin = await service.account("admin@example.org", "admin")
    body = {"roles": ["staff", "patient"], "practices": [PRACTICE]}
    path = f"/v1/auth/accounts/{ada.id}/roles"
    assert (await service.client.put(path, json=body, headers=admin.headers)).status_code == 200
    newest, *_ = (await service.client.get(f"{ada.path}/accesses", headers=ada.headers)).json()["items"]
    assert (newest["actor"], newest["deed"]) == (admin.id, "update")
    assert newest["what"] == f"account/roles/patient,staff,practice/{PRACTICE}"


async def test_accesses_are_paginated(service: Service, ada: Account) -> None:
    for _ in range(5):
        await service.client.get(ada.path, headers=ada.headers)
    seen: list[int] = []
    query: dict[str, Any] = {"limit": 3}
    while query.get("before", 1):
        page = (await service.client.get(f"{ada.path}/accesses", params=query, headers=ada.headers)).json()
        seen += [each["seq"] for each in page["items"]]
        query["before"] = page["next"]
    assert seen == [8, 7, 6, 5, 4, 3, 2, 1]


async def test_rejected_requests_are_not_recorded(service: Service, ada: Account) -> None:
    bob = await service.patient("bob@example.org")
    before = await _count(service)
    await service.client.get(ada.path, headers=bob.headers_with("TREAT"))
    await service.client.put(ada.path, json={}, headers=ada.headers)
    await service.client.delete(f"{ada.path}/dependants/{bob.id}", headers={**ada.headers, "If-Match": "*"})
    assert await _count(service) == before


async def _count(service: Service) -> int:
    async with service.database.read() as session:
        return await session.scalar(select(func.count()).select_from(audit_entry)) or 0


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET target = ''", "DELETE FROM audit_entry", "TRUNCATE audit_entry"]
)
async def test_database_rejects_changes_of_the_trail(service: Service, statement: str) -> None:
    await service.patient("ada@example.org")
    for before in ([], ["SET LOCAL session_replication_role = replica"]):
        with pytest.raises(DBAPIError, match="append-only"):
            await execute(service, *map(text, (*before, statement)))


async def test_tampering_is_detected(service: Service) -> None:
    patients = [await service.patient(f"{n}@example.org") for n in range(4)]
    await asyncio.gather(*(service.client.get(p.path, headers=p.headers) for p in patients for _ in range(10)))
    heads, faults = await check(service)
    assert faults == []
    assert sum(head.seq for head in heads) == await _count(service)
    longest = max(heads, key=lambda head: head.seq)
    chain, seq = longest.chain, longest.seq
    second = audit_entry.c.chain == chain, audit_entry.c.seq == 2

    await execute(service, text(TAMPER), update(audit_entry).where(*second).values(purpose="TREAT"))
    assert (await check(service))[1] == [f"chain {chain}: entry 2 was changed"]
    await execute(service, update(audit_entry).where(*second).values(purpose="PATRQT"))
    assert (await check(service))[1] == []

    # A cut-off end with a reset head is detected by an anchor only.
    await execute(service, delete(audit_entry).where(audit_entry.c.chain == chain, audit_entry.c.seq == seq))
    assert (await check(service))[1] == [f"chain {chain}: ends at entry {seq - 1}, but its head is at {seq}"]
    before = select(audit_entry.c.digest).where(audit_entry.c.chain == chain, audit_entry.c.seq == seq - 1)
    back = {"seq": seq - 1, "digest": before.scalar_subquery()}
    await execute(service, update(audit_head).where(audit_head.c.chain == chain).values(back))
    assert (await check(service))[1] == []
    assert (await check(service, heads))[1] == [f"chain {chain}: ends at entry {seq - 1}, but an anchor is at {seq}"]
    same = [patient for patient in patients if UUID(patient.id).bytes[-1] % CHAINS == chain]
    await service.client.get(same[0].path, headers=same[0].headers)
    assert (await check(service))[1] == []
    assert (await check(service, heads))[1] == [f"chain {chain}: entry {seq} differs from the anchor"]


async def test_long_chain_is_verified_in_batches(
    service: Service, ada: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_platform.audit.verification.BATCH", 3)
    for _ in range(7):
        await service.client.get(ada.path, headers=ada.headers)
    assert (await check(service))[1] == []
    await execute(service, text(TAMPER), update(audit_entry).where(audit_entry.c.seq == 8).values(roles="admin"))
    assert len((await check(service))[1]) == 1


async def test_commands_grant_roles_and_verify_the_trail(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(postgres_dsn)
    set_environment(monkeypatch, settings)
    async with running(settings) as service:
        ada = await service.patient("ada@example.org")
        granted = await run_command(accounts_command, "grant", "--email", "Ada@example.org", "--role", "admin")
        assert (granted.exit_code, granted.stdout.strip()) == (0, f"{ada.id}: admin")
        assert (
            await run_command(accounts_command, "grant", "--email", "x@example.org", "--role", "admin")
        ).exit_code == 1
        assert (
            await run_command(accounts_command, "grant", "--email", "ada@example.org", "--role", "staff")
        ).exit_code == 1

        good = await run_command(audit_command, "verify", "--service", "patients")
        assert good.exit_code == 0, good.stderr
        assert len(good.stdout.splitlines()) == 16
        assert "patients: the audit trail is intact" in good.stderr
        anchor = tmp_path / "heads"
        anchor.write_text(good.stdout)
        verify = ("verify", "--service", "patients", "--anchor", str(anchor))
        assert (await run_command(audit_command, *verify)).exit_code == 0
        anchor.write_text("nonsense")
        assert (await run_command(audit_command, *verify)).exit_code == 2
        await execute(service, text(TAMPER), update(audit_entry).values(actor_id=None))
        bad = await run_command(audit_command, "verify", "--service", "patients")
        assert bad.exit_code == 1
        assert "patients: the audit trail was changed" in bad.stderr


async def test_command_notices_a_cut_off_end_by_the_anchors_of_the_service(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(postgres_dsn, audit_anchors_directory=tmp_path, audit_anchors_interval=0.1)
    set_environment(monkeypatch, settings)
    monkeypatch.setenv("MILLRACE_AUDIT_ANCHORS_DIRECTORY", str(tmp_path))
    async with running(settings) as service:
        await service.patient("ada@example.org")
        service.clock.now += 1

        def is_anchored() -> bool:
            return any(head.seq > 0 for head in anchored())

        def anchored() -> list[Head]:
            paths = (tmp_path / "patients").glob("*.jsonl")
            return [head for path in paths for head in decode_lines(path.read_bytes(), "patients", name=str(path))]

        await wait_until(is_anchored)
        chain = next(head.chain for head in anchored() if head.seq > 0)
    assert (await run_command(audit_command, "verify", "--service", "patients")).exit_code == 0
    async with (
        open_database(postgres_dsn, name="test", pool_size=1, seconds=5) as database,
        database.transaction() as session,
    ):
        await session.execute(text(TAMPER))
        await session.execute(delete(audit_entry).where(audit_entry.c.chain == chain))
        await session.execute(update(audit_head).where(audit_head.c.chain == chain).values(seq=0, digest=START))
    bad = await run_command(audit_command, "verify", "--service", "patients")
    assert bad.exit_code == 1
    assert f"patients: chain {chain}: ends at entry 0, but an anchor is at" in bad.stderr


class UnreliableAnchors:
    """Fails until `is_available` is set."""

    def __init__(self) -> None:
        self.is_available = False
        self.added: list[Sequence[Head]] = []

    async def add(self, heads: Sequence[Head]) -> None:
        if not self.is_available:
            raise ConnectionError
        self.added.append(heads)

    async def read(self) -> list[Head]:
        return [head for heads in self.added for head in heads]


async def test_anchor_is_written_once_an_interval_if_there_are_new_entries(service: Service, ada: Account) -> None:
    store = UnreliableAnchors()
    writer = AnchorWriter(service.database, store, 3600, service.clock)
    with pytest.raises(ConnectionError):
        await writer.write_if_due()
    store.is_available = True
    await writer.write_if_due()
    assert len(store.added) == 1, "a failed anchor is attempted again before the interval ends"
    await service.client.get(ada.path, headers=ada.headers)
    await writer.write_if_due()
    assert len(store.added) == 1
    service.clock.now += 3600
    await writer.write_if_due()
    assert len(store.added) == 2
    service.clock.now += 3600
    await writer.write_if_due()
    assert len(store.added) == 2, "nothing has changed"
    heads, faults = await check(service, await store.read())
    assert (faults, count_anchored(store.added[-1])) == ([], sum(head.seq for head in heads))


async def test_concurrent_appends_are_all_recorded(service: Service, ada: Account) -> None:
    trail = AuditTrail(await audit_key(service))
    before = await _count(service)
    reads = [service.client.get(ada.path, headers=ada.headers) for _ in range(40)]
    assert {response.status_code for response in await asyncio.gather(*reads)} == {200}
    assert await _count(service) == before + 40
    assert (await check(service))[1] == []
    async with service.database.transaction() as session:
        await trail.append(session, [], service.app.state.patients.units.now())


CANARY = "Zqxcanary"


def canaries() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return a profile, a dependant and a card with a canary in every personal text field."""
    address = {"line1": f"{CANARY} street", "line2": CANARY, "city": CANARY, "state": "NY", "zip": "10001"}
    profile = {
        "given_name": CANARY,
        "family_name": CANARY,
        "birth_date": "1980-12-10",
        "email": f"{CANARY}@example.org",
        "phone": "312 555 0142",
        "address": address,
    }
    dependant = {"given_name": CANARY, "family_name": CANARY, "birth_date": "2015-05-12", "relationship": "child"}
    card = {"plan_id": CANARY, "member_id": CANARY, "group_number": CANARY, "subscriber_name": CANARY}
    return profile, dependant, card


async def test_personal_data_is_not_in_logs_feeds_problems_urls_or_tables(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    profile, dependant, card = canaries()
    responses = await _use(service, profile, dependant, card)

    needles = (CANARY.lower(), "1980-12-10", "2015-05-12", "5550142", "555 0142", PASSWORD)
    formatter = json_formatter("patients")
    logged = "\n".join(formatter.format(record) for record in caplog.records if not record.name.startswith("httpx"))
    assert "request" in logged
    haystacks = {"logs": logged.encode(), "problems": b"\n".join(a.content for a in responses if a.status_code >= 400)}
    haystacks["urls"] = "\n".join(str(a.request.url) + a.headers.get("location", "") for a in responses).encode()
    haystacks["feed"] = b"\n".join(encode(envelope) for envelope in service.feeds.envelopes())
    for table in metadata.sorted_tables:
        haystacks[f"table {table.name}"] = await _dump(service, table)
    assert len(haystacks["feed"]) > 0
    for source, haystack in haystacks.items():
        for needle in needles:
            assert needle.encode() not in haystack.lower(), (source, needle)
            assert base64.b64encode(needle.encode()).rstrip(b"=") not in haystack, (source, needle)


async def _use(service: Service, profile: Any, dependant: Any, card: Any) -> list[Any]:
    """Call the API with personal data, successfully and with errors; return the responses."""
    email = f"{CANARY}@example.org".lower()
    ada: Account = await service.account(email)
    post, put, get = service.client.post, service.client.put, service.client.get
    staff = await service.account("s@example.org", "staff", practices=[PRACTICE])
    responses = [
        await put(ada.path, json=profile, headers=ada.headers),
        await put(ada.path, json={**profile, "birth_date": CANARY}, headers=ada.headers),
        await put(ada.path, json={**profile, "colour": CANARY}, headers={**ada.headers, "If-Match": '"1"'}),
        await put(ada.path, json={**profile, "sex": CANARY}, headers={**ada.headers, "If-Match": '"1"'}),
        await put(ada.path, content=f'{{"given_name": "{CANARY}'.encode(), headers=ada.headers),
        await post(f"{ada.path}/dependants", json=dependant, headers=ada.headers),
        await post(f"{ada.path}/dependants", json={**dependant, "relationship": CANARY}, headers=ada.headers),
        await post(f"{ada.path}/insurance-cards", json=card, headers=ada.headers),
        await post(f"{ada.path}/insurance-cards", json={**card, "dependant_id": CANARY}, headers=ada.headers),
        await put(f"{ada.path}/practices/{PRACTICE}", headers=ada.headers),
        await get(f"{ada.path}/dependants", headers=staff.headers_with("TREAT")),
        await service.try_sign_in(email, CANARY),
        await service.try_sign_in(CANARY, CANARY),
        await service.post("/v1/auth/sign-up", {"email": CANARY}),
        await service.post("/v1/auth/password-reset", {"email": email}),
        await service.post("/v1/auth/refresh", {"refresh_token": CANARY}),
        await get(f"{ada.path}/export", headers=ada.headers),
    ]
    await service.published(1)
    return responses


async def _dump(service: Service, table: Table) -> bytes:
    """Return all rows as text and the bytes of `bytea` columns."""
    async with service.database.read() as session:
        rows = (await session.execute(select(table))).all()
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)
