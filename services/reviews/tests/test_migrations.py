"""Migrations create the tables of the schema."""

from millrace_reviews.migrate import migrate
from millrace_reviews.schema import metadata
from tests.support.migrations import schema_differences


async def test_migrations_create_the_tables_of_the_schema(postgres_dsn: str) -> None:
    await migrate(postgres_dsn)
    assert await schema_differences(postgres_dsn, metadata) == []
