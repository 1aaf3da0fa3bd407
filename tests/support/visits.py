"""Settings for tests that book many visits, and visits that have begun, which no test can book or wait for.

As a script: `python -m tests.support.visits HOME URL APPOINTMENT`.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from tests.support.platform import Platform

MANY_VISITS: Final[Mapping[str, str]] = {
    "MILLRACE_SCHEDULING_VISITS_PER_PROVIDER": "100000",
    "MILLRACE_SCHEDULING_VISITS": "100000",
    "MILLRACE_SCHEDULING_FIRST_DAY_VISITS_PER_PROVIDER": "100000",
    "MILLRACE_SCHEDULING_FIRST_DAY_VISITS": "100000",
}
"""Environment variables that let one account book as often as a test wants; `tests/compose/ports.yaml` repeats them."""


def begin_visit(platform: Platform, appointment_id: str) -> None:
    """Move the start of a booked visit to a minute ago, in scheduling's database; its time stays reserved."""
    asyncio.run(_begin_visit(platform.variables["MILLRACE_SCHEDULING_DATABASE_URL"], UUID(appointment_id)))


async def _begin_visit(database_url: str, appointment_id: UUID) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        begun = "UPDATE appointments SET start = date_trunc('minute', now()) - interval '1 minute' WHERE id = $1"
        assert await connection.execute(begun, appointment_id) == "UPDATE 1"
    finally:
        await connection.close()


if __name__ == "__main__":
    home, url, appointment_id = sys.argv[1:]
    begin_visit(Platform(Path(home), url), appointment_id)
