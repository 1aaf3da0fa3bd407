"""The migrations make what the code expects."""

from millrace_scheduling.migrate import migrate
from millrace_scheduling.schema import metadata
from tests.support.migrations import differences


async def test_the_tables_are_those_of_the_code(postgres_dsn: str) -> None:
    await migrate(postgres_dsn)
    assert await differences(postgres_dsn, metadata) == []
