"""Visits that have begun, which no test can book or wait for.

As a script: `python -m tests.support.visits HOME URL APPOINTMENT`.
"""

import asyncio
import sys
from pathlib import Path
from uuid import UUID

import asyncpg

from tests.support.platform import Platform


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
