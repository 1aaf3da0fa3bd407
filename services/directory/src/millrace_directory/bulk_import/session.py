"""The database session of an import. Only one import runs at a time; each batch is a transaction and a trace span."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from random import Random

import asyncpg
from asyncpg import Connection
from opentelemetry import trace

from millrace_directory.bulk_import.errors import ImportDatabaseError, ImportRunningError
from millrace_directory.bulk_import.garbage_collection import collect, manual_collection
from millrace_directory.bulk_import.publisher import EventPublisher
from millrace_directory.bulk_import.statements import ANALYZE, ANALYZED_ROWS, STAGING
from millrace_directory.feed import directory_envelopes
from millrace_directory.model import Action
from millrace_directory.wire import InvalidRowError
from millrace_feeds.clock import Clock
from millrace_platform.ids import EventIds, Uuid7
from millrace_platform.unit_of_work import Envelopes

LOCK_KEY = 0x6D696C6C_696D7074
"""Key of the advisory lock of imports ("millimpt"): two at once would only wait for each other's rows."""
LOCK_SECONDS = 3.0
CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 300.0
ATTEMPTS = 5
PAUSE_SECONDS = 0.2
COUNTED_DIGITS = 3
GROWTH = 4
"""Number of created rows after which ANALYZE runs again, as a multiple of the rows at its last run."""

_tracer = trace.get_tracer("millrace_directory.bulk_import")
# A unique violation is a row that another writer inserted after the batch looked for it.
_RETRIED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.UniqueViolationError)
_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

Batch = Callable[[Connection, EventPublisher], Awaitable[None]]


@dataclass(slots=True)
class ImportSession:
    """Runs batches of an import on one connection, and ANALYZE (statistics for query plans) when the tables have grown.

    `_analyzed` is the number of rows at the last ANALYZE, `_created` the number of rows created since.
    """

    connection: Connection
    envelopes: Envelopes
    _analyzed: int = 0
    _created: int = 0

    async def analyze(self) -> None:
        """Update the statistics with which PostgreSQL plans queries on the tables."""
        await self.connection.execute(ANALYZE)
        self._analyzed, self._created = await self.connection.fetchval(ANALYZED_ROWS), 0

    async def run(self, name: str, batch: Batch) -> EventPublisher:
        """Commit a batch with its events and return its publisher, which counts the events.

        Retries if the batch conflicts with another writer. `name` is that of the trace span.
        """
        for attempt in range(ATTEMPTS):
            try:
                publisher = await self._run_once(name, batch)
            except _RETRIED:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(PAUSE_SECONDS * 2**attempt)
            else:
                await self._after_commit(publisher)
                return publisher
        raise AssertionError("the last attempt returns or raises")

    async def _after_commit(self, publisher: EventPublisher) -> None:
        collect()
        self._created += sum(count for event, count in publisher.published.items() if event.endswith(Action.CREATED))
        if self._created >= GROWTH * self._analyzed:
            await self.analyze()

    async def _run_once(self, name: str, batch: Batch) -> EventPublisher:
        publisher = EventPublisher(self.connection, self.envelopes)
        with _tracer.start_as_current_span(name) as span:
            async with self.connection.transaction():
                await batch(self.connection, publisher)
                await publisher.flush()
            span.set_attribute("millrace.events", publisher.published.total())
        return publisher


@asynccontextmanager
async def import_session(database_url: str, clock: Clock, ids: EventIds) -> AsyncIterator[ImportSession]:
    """Open the session of an import, and disable the cycle collector meanwhile.

    Raise `ImportRunningError` if another import is running, and `ImportDatabaseError` for failures of the database,
    also those in the block.
    """
    with _database_errors():
        connection = await _connect(database_url)
    try:
        with _database_errors(), manual_collection():
            await _lock(connection)
            await connection.execute(STAGING)
            session = ImportSession(connection, directory_envelopes(clock, ids))
            await session.analyze()
            yield session
    finally:
        connection.terminate()


def fast_ids() -> EventIds:
    """Return a function that returns event ids without a system call for each: unique, but not unpredictable.

    It creates a random id, counts up its last digits to the end, and then creates the next random id.
    """
    random_id = Uuid7(random_bits=Random(secrets.randbits(128)).getrandbits)  # noqa: S311 # see above
    counts = [f"{number:0{COUNTED_DIGITS}x}" for number in range(16**COUNTED_DIGITS)]

    def ids() -> Iterator[str]:
        while True:
            text = str(random_id())
            head, first = text[:-COUNTED_DIGITS], int(text[-COUNTED_DIGITS:], 16)
            yield from map(head.__add__, counts[first:])

    return ids().__next__


@contextmanager
def _database_errors() -> Iterator[None]:
    """Convert errors of the database to `ImportDatabaseError`, with one line that says what to do."""
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise ImportDatabaseError(f"The database isn't set up ({error}). Run `millrace init` first.") from error
    except InvalidRowError as error:
        raise ImportDatabaseError(f"{error} Then start the import again to continue after the last commit.") from error
    except _FAILURES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImportDatabaseError(
            f"The database failed: {reason}. Start the import again to continue after the last commit."
        ) from error


async def _lock(connection: Connection) -> None:
    """Take the lock of imports; raise `ImportRunningError` if another import still has it after `LOCK_SECONDS`.

    Waits, because the server needs a moment to notice that the client of a killed import is gone.
    """
    await connection.execute(f"SET lock_timeout = '{LOCK_SECONDS:.0f}s'")
    try:
        await connection.fetchval("SELECT pg_advisory_lock($1)", LOCK_KEY)
    except asyncpg.LockNotAvailableError as error:
        raise ImportRunningError("Another import is running on this database. Start again after its end.") from error
    await connection.execute("SET lock_timeout = 0")


async def _connect(database_url: str) -> Connection:
    return await asyncpg.connect(
        database_url,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        # A cached plan for small tables would still be used after they grew.
        statement_cache_size=0,
        server_settings={"application_name": "millrace import", "jit": "off", "random_page_cost": "1.1"},
    )
