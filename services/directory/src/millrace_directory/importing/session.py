"""The importers' connection: one at a time, each batch one transaction with one span."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from random import Random

import asyncpg
from asyncpg import Connection
from opentelemetry import trace

from millrace_directory.events import Action
from millrace_directory.feed import directory_envelopes
from millrace_directory.importing.errors import BusyError, DatabaseFault
from millrace_directory.importing.events import Emitter
from millrace_directory.importing.memory import collect, collecting_by_chunk
from millrace_directory.importing.statements import ANALYZE, ANALYZED_ROWS, STAGING
from millrace_feeds.clock import Clock
from millrace_platform.ids import EventIds, Uuid7
from millrace_platform.unit_of_work import Envelopes

LOCK_KEY = 0x6D696C6C_696D7074
"""Advisory lock of the importers ("millimpt"): two at once would only wait for each other's rows."""
LOCK_SECONDS = 3.0
CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 300.0
ATTEMPTS = 5
PAUSE_SECONDS = 0.2
COUNTED_DIGITS = 3
GROWTH = 4
"""By how many times the rows that they had the tables grow before the planner is told again."""

_tracer = trace.get_tracer("millrace_directory.importing")
# A row that was nowhere when the batch looked, and that someone else added before the batch did.
_ADDED_TWICE = asyncpg.UniqueViolationError
_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, _ADDED_TWICE)
_FAULTS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

Batch = Callable[[Connection, Emitter], Awaitable[None]]


@dataclass(slots=True)
class ImportSession:
    """Runs batches on the one connection."""

    connection: Connection
    envelopes: Envelopes
    _created: int = 0
    _analyzed: int = 0
    """Rows that the tables had when the planner was last told, and those that came since."""

    async def analyze(self) -> None:
        """Have the planner know the tables as they are now."""
        await self.connection.execute(ANALYZE)
        self._analyzed, self._created = await self.connection.fetchval(ANALYZED_ROWS), 0

    async def run(self, name: str, batch: Batch) -> Emitter:
        """Commit a batch with its events; again when it lost against another writer. Gives what was told."""
        for attempt in range(ATTEMPTS):
            try:
                emitter = await self._once(name, batch)
            except _AGAIN:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(PAUSE_SECONDS * 2**attempt)
            else:
                await self._committed(emitter)
                return emitter
        raise AssertionError("the last attempt returns or raises")

    async def _committed(self, emitter: Emitter) -> None:
        collect()
        self._created += sum(count for event, count in emitter.told.items() if event.endswith(Action.CREATED))
        if self._created >= GROWTH * self._analyzed:
            await self.analyze()

    async def _once(self, name: str, batch: Batch) -> Emitter:
        emitter = Emitter(self.connection, self.envelopes)
        with _tracer.start_as_current_span(name) as span:
            async with self.connection.transaction():
                await batch(self.connection, emitter)
                await emitter.tell_rest()
            span.set_attribute("millrace.events", emitter.told.total())
        return emitter


@asynccontextmanager
async def import_session(database_url: str, clock: Clock, ids: EventIds) -> AsyncIterator[ImportSession]:
    """A connection that no other import has. Raises `DatabaseFault` (also from within the block) and `BusyError`."""
    with database_faults():
        connection = await _connect(database_url)
    try:
        with database_faults(), collecting_by_chunk():
            await _lock(connection)
            await connection.execute(STAGING)
            session = ImportSession(connection, directory_envelopes(clock, ids))
            await session.analyze()
            yield session
    finally:
        connection.terminate()


def fast_ids() -> EventIds:
    """Identifiers of events without a system call for each: they need to be unique, not unpredictable.

    Of each new one the last bits, which are random, are counted through before the next new one.
    """
    fresh = Uuid7(random_bits=Random(secrets.randbits(128)).getrandbits)  # noqa: S311 # see above

    counts = [f"{number:0{COUNTED_DIGITS}x}" for number in range(16**COUNTED_DIGITS)]

    def counted() -> Iterator[str]:
        while True:
            text = str(fresh())
            head, first = text[:-COUNTED_DIGITS], int(text[-COUNTED_DIGITS:], 16)
            yield from map(head.__add__, counts[first:])

    return counted().__next__


@contextmanager
def database_faults() -> Iterator[None]:
    """Tell of a fault of the database in one line, and what can be done."""
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise DatabaseFault(f"The database isn't set up ({error}). Run `millrace init` first.") from error
    except _FAULTS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatabaseFault(f"The database failed: {reason}. The import can be started again, and goes on.") from error


async def _lock(connection: Connection) -> None:
    """Be the only import. The server needs a moment to notice that one which was killed is gone."""
    await connection.execute(f"SET lock_timeout = '{LOCK_SECONDS:.0f}s'")
    try:
        await connection.fetchval("SELECT pg_advisory_lock($1)", LOCK_KEY)
    except asyncpg.LockNotAvailableError as error:
        raise BusyError("Another import is running on this database. Wait for its end, then start again.") from error
    await connection.execute("SET lock_timeout = 0")


async def _connect(database_url: str) -> Connection:
    return await asyncpg.connect(
        database_url,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        # A plan that was made while the tables were small would be kept while they grow.
        statement_cache_size=0,
        server_settings={"application_name": "millrace import", "jit": "off", "random_page_cost": "1.1"},
    )
