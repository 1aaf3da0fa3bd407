"""Migrations of a package that is made up for the test."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from millrace_platform import migrations
from millrace_platform.migrations import Migrations

ENVIRONMENT = """
from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
"""
REVISION = """
from alembic import op

revision = "{number}"
down_revision = {before}


def upgrade():
    op.execute("{statement}")
"""


@pytest.fixture
def made(tmp_path: Path) -> Migrations:
    """Without a revision yet, in a folder whose name has the sign of ConfigParser."""
    folder = tmp_path / "100%(of)s them"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENVIRONMENT)
    return Migrations(folder, lock_key=7)


def add(made: Migrations, statement: str) -> None:
    """A revision on top of those that are there."""
    versions = made.folder / "versions"
    number = len(list(versions.glob("*.py"))) + 1
    before = repr(f"{number - 1:04}") if number > 1 else None
    (versions / f"{number:04}.py").write_text(
        REVISION.format(number=f"{number:04}", before=before, statement=statement)
    )


async def asked(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_several_processes_may_migrate_at_once_and_again(made: Migrations, postgres_dsn: str) -> None:
    add(made, "CREATE TABLE one (id int)")
    add(made, "INSERT INTO one VALUES (1)")
    await asyncio.gather(*(made.apply(postgres_dsn) for _ in range(3)))
    await made.apply(postgres_dsn)
    assert await asked(postgres_dsn, "SELECT count(*) FROM one") == 1
    assert await asked(postgres_dsn, "SELECT version_num FROM alembic_version") == "0002"


async def test_all_revisions_are_applied_or_none(made: Migrations, postgres_dsn: str) -> None:
    add(made, "CREATE TABLE one (id int)")
    add(made, "CREATE TABLE one (id int)")
    with pytest.raises(DBAPIError, match="already exists"):
        await made.apply(postgres_dsn)
    assert await asked(postgres_dsn, "SELECT to_regclass('one')") is None


async def test_who_waits_too_long_for_another_gives_up(
    made: Migrations, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(made, "CREATE TABLE one (id int)")
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "10ms")
    other = await asyncpg.connect(postgres_dsn)
    await other.execute("SELECT pg_advisory_lock(7)")
    try:
        with pytest.raises(DBAPIError, match="lock timeout"):
            await made.apply(postgres_dsn)
    finally:
        await other.close()
    await made.apply(postgres_dsn)
    assert await asked(postgres_dsn, "SELECT to_regclass('one')::text") == "one"


async def test_a_file_that_is_named_otherwise_than_its_revision_is_refused(made: Migrations, postgres_dsn: str) -> None:
    add(made, "CREATE TABLE one (id int)")
    add(made, "CREATE TABLE two (id int)")
    versions = made.folder / "versions"
    (versions / "0002.py").rename(versions / "0000_two.py")
    with pytest.raises(ValueError, match="revision 0002"):
        await made.apply(postgres_dsn)
    assert await asked(postgres_dsn, "SELECT to_regclass('two')") is None
