"""Erasures are in a ledger apart from the database, from which a restored backup is erased again."""

import json
from collections.abc import Callable
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import select

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.errors import Unavailable
from millrace_patients.erasure.cli import app as erasures_command
from millrace_patients.erasure.ledger import create_ledger_table, open_ledger
from millrace_patients.erasure.recorder import BATCH, ErasureRecorder
from millrace_patients.migrate import prepare
from millrace_patients.schema import person
from millrace_platform.audit.tables import audit_entry

from .running import Account, Service, run_command, running, set_environment, settings_for


def recorder_of(service: Service) -> ErasureRecorder:
    return ErasureRecorder(service.app.state.patients.units, service.ledger)


async def test_erasure_reaches_the_ledger_once_it_is_available(service: Service, ada: Account) -> None:
    service.ledger.is_available = False
    assert (await service.client.delete(ada.path, headers=ada.headers)).status_code == 204
    with pytest.raises(Unavailable):
        await recorder_of(service).run_once()
    service.ledger.is_available = True
    await recorder_of(service).run_once()
    assert [each async for each in service.ledger.list()] == [UUID(ada.id)]
    service.ledger.erased.clear()
    await recorder_of(service).run_once()
    assert service.ledger.erased == {}


async def test_all_erasures_are_recorded_in_one_run(service: Service) -> None:
    now = service.app.state.patients.units.now()
    async with service.app.state.patients.units.begin() as work:
        rows = [{"id": UUID(int=number), "created_at": now, "erased_at": now} for number in range(BATCH * 2 + 1)]
        await work.session.execute(person.insert(), rows)
    await recorder_of(service).run_once()
    assert len(service.ledger.erased) == len(rows)


async def copy_database(dsn: str) -> str:
    """Copy a database without connections; return the copy's address."""
    address, _, name = dsn.rpartition("/")
    connection = await asyncpg.connect(f"{address}/postgres")
    try:
        await connection.execute(f'CREATE DATABASE "{name}_backup" TEMPLATE "{name}"')
    finally:
        await connection.close()
    return f"{dsn}_backup"


async def test_restored_backup_is_erased_again(
    postgres_dsn: str, aws_endpoint: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = unique_name("erasures")
    async with dynamodb_client() as client:
        await create_ledger_table(client, table)
    settings = settings_for(postgres_dsn, patients_erasures_table=table)
    async with running(settings) as service:
        ada, bob = await service.patient("ada@example.org"), await service.patient("bob@example.org")
    backup = await copy_database(postgres_dsn)
    async with running(settings) as service, open_ledger(settings) as ledger:
        assert (await service.client.delete(ada.path, headers=ada.headers)).status_code == 204
        await ErasureRecorder(service.app.state.patients.units, ledger).run_once()

    restored = settings.model_copy(update={"patients_database_url": backup})
    set_environment(monkeypatch, restored)
    monkeypatch.setenv("MILLRACE_PATIENTS_ERASURES_TABLE", table)
    first, second = [(await run_command(erasures_command, "apply")).output for _ in range(2)]
    assert first == "Erased 1 persons again and ended 1 sessions.\n"
    assert second == "Erased 0 persons again and ended 0 sessions.\n"

    async with running(restored) as service:
        assert (await service.try_sign_in(ada.email)).status_code == 401
        for account in (ada, bob):
            assert (await service.client.get(account.path, headers=account.headers)).status_code == 401
            refreshed = await service.post("/v1/auth/refresh", {"refresh_token": account.tokens["refresh_token"]})
            assert refreshed.status_code == 401
        returned = await service.sign_in(bob.email)
        assert (await service.client.get(bob.path, headers=returned.headers)).status_code == 200
        states = {
            each.subject: json.loads(bytes(each.data))["state"]
            for each in await service.published(2)
            if each.subject.endswith(ada.id)
        }
        assert states == {f"patient/{ada.id}": "erased", f"account/{ada.id}": "erased"}
        async with service.database.read() as session:
            keys = select(person.c.wrapped_key).where(person.c.id == UUID(ada.id))
            actions = select(audit_entry.c.action).where(audit_entry.c.person_id == UUID(ada.id))
            assert await session.scalar(keys) is None
            assert "erase" in (await session.execute(actions)).scalars().all()


async def test_missing_ledger_is_reported_in_one_line(
    postgres_dsn: str, aws_endpoint: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(postgres_dsn)
    await prepare(settings)
    set_environment(monkeypatch, settings)
    monkeypatch.setenv("MILLRACE_PATIENTS_ERASURES_TABLE", unique_name("missing"))
    refused = await run_command(erasures_command, "apply")
    assert (refused.exit_code, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1)
