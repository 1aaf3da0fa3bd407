"""Migrations create the tables of the schema."""

from millrace_directory.migrate import migrate
from millrace_directory.tables import metadata
from tests.support.migrations import schema_differences

# Importers and the outbox declare no metadata.
IGNORED_TABLES = frozenset({"outbox", "import_run", "imported_address", "nppes_practice_location", "nppes_other_name"})


async def test_migrations_create_the_tables_of_the_schema(postgres_dsn: str) -> None:
    await migrate(postgres_dsn)
    assert await schema_differences(postgres_dsn, metadata, ignored_tables=IGNORED_TABLES) == []
