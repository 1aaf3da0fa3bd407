"""The migrations make what the code expects."""

from millrace_directory.migrate import migrate
from millrace_directory.schema import metadata
from tests.support.migrations import differences

# What an import or the feed keeps in this database is theirs to describe.
OTHERS = frozenset({"outbox", "import_run", "imported_address"})


async def test_the_tables_are_those_of_the_code(postgres_dsn: str) -> None:
    await migrate(postgres_dsn)
    assert await differences(postgres_dsn, metadata, others=OTHERS) == []
