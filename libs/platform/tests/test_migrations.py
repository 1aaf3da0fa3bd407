"""Migrations, with revisions that the tests write."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from millrace_platform import migrations
from millrace_platform.migrations import IncompatibleDatabaseError, Migrations

REVISION = """
from alembic import op

revision = "{revision}"
down_revision = {previous}


def upgrade():
    op.execute("{statement}")
"""


@pytest.fixture
def package(tmp_path: Path) -> Migrations:
    """Migrations without a revision, in a folder whose name ConfigParser would interpolate."""
    folder = tmp_path / "100%(of)s them"
    (folder / "versions").mkdir(parents=True)
    return Migrations(folder, lock_key=7)


def add_revision(package: Migrations, statement: str) -> None:
    """Add a revision on top of the existing ones."""
    versions = package.folder / "versions"
    number = len(list(versions.glob("*.py"))) + 1
    previous = repr(f"{number - 1:04}") if number > 1 else None
    (versions / f"{number:04}.py").write_text(
        REVISION.format(revision=f"{number:04}", previous=previous, statement=statement)
    )


async def execute(dsn: str, statement: str) -> object:
    """Run a statement and return its first value."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_concurrent_and_repeated_migrations_apply_revisions_once(package: Migrations, postgres_dsn: str) -> None:
    add_revision(package, "CREATE TABLE one (id int)")
    add_revision(package, "INSERT INTO one VALUES (1)")
    await asyncio.gather(*(package.apply(postgres_dsn) for _ in range(3)))
    await package.apply(postgres_dsn)
    assert await execute(postgres_dsn, "SELECT count(*) FROM one") == 1
    assert await execute(postgres_dsn, "SELECT version_num FROM alembic_version") == "0002"


async def test_new_revision_upgrades_database(package: Migrations, postgres_dsn: str) -> None:
    add_revision(package, "CREATE TABLE one (id int)")
    await package.apply(postgres_dsn)
    add_revision(package, "INSERT INTO one VALUES (1)")
    await package.apply(postgres_dsn)
    assert await execute(postgres_dsn, "SELECT count(*) FROM one") == 1


async def test_failed_revision_rolls_back_all(package: Migrations, postgres_dsn: str) -> None:
    add_revision(package, "CREATE TABLE one (id int)")
    add_revision(package, "CREATE TABLE one (id int)")
    with pytest.raises(DBAPIError, match="already exists"):
        await package.apply(postgres_dsn)
    assert await execute(postgres_dsn, "SELECT to_regclass('one')") is None


async def test_unknown_revision_is_rejected_with_remedy(package: Migrations, postgres_dsn: str) -> None:
    add_revision(package, "CREATE TABLE one (id int)")
    await package.apply(postgres_dsn)
    await execute(postgres_dsn, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(IncompatibleDatabaseError) as refusal:
        await package.apply(postgres_dsn)
    database = postgres_dsn.rpartition("/")[2]
    assert str(refusal.value).startswith(f"The database '{database}' was made by another version of Millrace")
    assert "(revision 0000). Remove the home directory" in str(refusal.value)
    assert await execute(postgres_dsn, "SELECT version_num FROM alembic_version") == "0000"


async def test_wait_for_lock_times_out(package: Migrations, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_revision(package, "CREATE TABLE one (id int)")
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "10ms")
    other = await asyncpg.connect(postgres_dsn)
    await other.execute("SELECT pg_advisory_lock(7)")
    try:
        with pytest.raises(DBAPIError, match="lock timeout"):
            await package.apply(postgres_dsn)
    finally:
        await other.close()
    await package.apply(postgres_dsn)
    assert await execute(postgres_dsn, "SELECT to_regclass('one')::text") == "one"


async def test_misnamed_file_is_rejected(package: Migrations, postgres_dsn: str) -> None:
    add_revision(package, "CREATE TABLE one (id int)")
    add_revision(package, "CREATE TABLE two (id int)")
    versions = package.folder / "versions"
    (versions / "0002.py").rename(versions / "0000_two.py")
    with pytest.raises(ValueError, match="revision 0002"):
        await package.apply(postgres_dsn)
    assert await execute(postgres_dsn, "SELECT to_regclass('two')") is None
