"""PostgreSQL through SQLAlchemy: an engine with bounds, and sessions whose type says whether they may write."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Never, TypeAlias, TypeVar, TypeVarTuple, overload

import asyncpg
from asyncpg.transaction import Transaction
from opentelemetry import trace
from sqlalchemy import CompoundSelect, CursorResult, Executable, Select, event, select
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.selectable import TypedReturnsRows

from millrace_platform.database_errors import problems_of_database, problems_of_driver
from millrace_platform.database_tracing import trace_statements
from millrace_platform.errors import Unavailable
from millrace_platform.tracing import is_recording

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


KEPT_SECONDS: Final = 60.0
"""How long a connection that is used over and over stays out of the pool."""


class ReadSession:
    """One read-only transaction. What writes is refused by the type check, and by the database.

    Results are fetched whole. Raises 503 and 504 problems where the database can't be reached or takes too long.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Select[*Ts] | CompoundSelect[*Ts], parameters: Parameters = None
    ) -> CursorResult[*Ts]:
        with problems_of_database():
            return await self._connection.execute(statement, parameters)

    @overload
    async def scalar(self, statement: Select[Never]) -> Any: ...

    @overload
    async def scalar(self, statement: Select[T]) -> T | None: ...

    async def scalar(self, statement: Select[Any]) -> Any:
        """The first column of the first row; None where there is none."""
        return (await self.execute(statement)).scalar()


class Session(ReadSession):
    """One transaction that may write. `IntegrityError` passes unchanged: only the service knows what it means.

    `driver` is the driver's connection in this transaction, for COPY and for what must not wait for more: a statement
    takes it half of the time. Its errors are the driver's own (`problems_of_database` reads them too).
    """

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection) -> None:
        super().__init__(connection)
        self.driver = driver

    @overload
    async def execute(self, statement: TypedReturnsRows[*Ts], parameters: Parameters = None) -> CursorResult[*Ts]: ...

    @overload
    async def execute(self, statement: Executable, parameters: Parameters = None) -> CursorResult[*tuple[Any, ...]]: ...

    async def execute(self, statement: Executable, parameters: Parameters = None) -> CursorResult[*tuple[Any, ...]]:
        with problems_of_database():
            return await self._connection.execute(statement, parameters)


class Connection(ReadSession):
    """A connection of the pool outside of any transaction: each statement is one of its own, committed as it ends.

    For what is a single statement, and what is looked at before it. `driver` and its errors are as in `Session`.
    """

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection) -> None:
        super().__init__(connection)
        self.driver = driver

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Committed where the block ends, rolled back where it raises."""
        async with _begun(self.driver, readonly=False):
            yield Session(self._connection, self.driver)


ReadSessions: TypeAlias = Callable[[], AbstractAsyncContextManager[ReadSession]]
"""Opens a session for one read; `Database.read` is one."""


@dataclass(frozen=True, slots=True)
class Database:
    """Hands out sessions. Each holds a connection of the pool until its block ends.

    `turns` has one for each connection of the pool, and gives them in the order in which they were asked for, within
    `seconds`. The pool itself would give a connection to whoever asks as it comes back, and not to those who wait.
    """

    engine: AsyncEngine
    turns: asyncio.Semaphore
    seconds: float
    _kept: list["_Kept"] = field(default_factory=list)
    """Those that nobody uses now; they are still taken from the pool, so that most requests don't ask it."""

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """A read-only transaction."""
        async with self.connection() as connection, _begun(connection.driver, readonly=True):
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Committed where the block ends, rolled back where it raises."""
        async with self.connection() as connection, connection.transaction() as session:
            yield session

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Outside of any transaction."""
        return _Lease(self)

    async def take(self) -> "_Kept":
        """Wait for the next turn, and have a connection that is good."""
        if self.turns.locked():
            with problems_of_database():
                async with asyncio.timeout(self.seconds):
                    await self.turns.acquire()
        else:
            await self.turns.acquire()
        try:
            return await self._taken()
        except BaseException:
            self.turns.release()
            raise

    async def release(self, kept: "_Kept") -> None:
        """Let the next one have it. Raises 503 where it was lost."""
        try:
            if kept.is_good():
                self._kept.append(kept)
            else:
                await _give_back(kept.connection)
        finally:
            self.turns.release()

    async def _taken(self) -> "_Kept":
        while self._kept:
            kept = self._kept.pop()
            if kept.is_good():
                return kept
            with suppress(Unavailable):
                await _give_back(kept.connection)
        with problems_of_database():
            connection = await self.engine.connect()
        driver = (await connection.get_raw_connection()).driver_connection
        return _Kept(connection, driver, asyncio.get_running_loop().time() + KEPT_SECONDS)

    async def close(self) -> None:
        """Give back what nobody uses, and close the pool."""
        while self._kept:
            with suppress(Unavailable):
                await _give_back(self._kept.pop().connection)
        await self.engine.dispose()

    async def check(self) -> None:
        """Raises when the database doesn't answer: a check for `/readyz`."""
        async with self.read() as session:
            await session.scalar(select(1))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A connection, to be given back to the pool at the loop's time `until`: it knows which ones are too old."""

    connection: AsyncConnection
    driver: asyncpg.Connection
    until: float

    def is_good(self) -> bool:
        """Whether the next one may have it. A statement that was cancelled leaves it `invalidated`."""
        return not (
            self.driver.is_closed() or self.connection.invalidated or asyncio.get_running_loop().time() >= self.until
        )


class _Lease(AbstractAsyncContextManager[Connection]):
    """A connection for a block. A class, because most requests need one, and a generator takes twice as long."""

    __slots__ = ("_database", "_kept")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        self._kept = kept = await self._database.take()
        return Connection(kept.connection, kept.driver)

    async def __aexit__(self, *_error: object) -> None:
        await self._database.release(self._kept)


@asynccontextmanager
async def _begun(driver: asyncpg.Connection, *, readonly: bool) -> AsyncIterator[None]:
    """The transaction is the driver's: SQLAlchemy would begin its own with its first statement and not before."""
    transaction = driver.transaction(readonly=readonly)
    try:
        with problems_of_driver(driver):
            await transaction.start()
        yield
        with problems_of_driver(driver):
            await transaction.commit()
    except BaseException:
        await _roll_back(driver, transaction)
        raise


async def _roll_back(driver: asyncpg.Connection, transaction: Transaction) -> None:
    """A connection whose transaction can't be ended doesn't go back to the pool.

    Nor does one that was given up while its transaction began or ended: nobody knows what the server made of it.
    """
    try:
        await transaction.rollback()
    except Exception:
        driver.terminate()
    except BaseException:
        driver.terminate()
        raise


async def _give_back(connection: AsyncConnection) -> None:
    """To the pool. Raises 503 where it was lost: whatever was done on it, it didn't end well."""
    try:
        await connection.aclose()
    except (DBAPIError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if not connection.closed:
            await connection.invalidate()
        raise Unavailable("The database can't be reached.") from error


@asynccontextmanager
async def open_database(url: str, *, name: str, pool_size: int, seconds: float) -> AsyncIterator[Database]:
    """A database with a bounded pool, closed at the end of the block; see `create_engine`."""
    engine = create_engine(url, name=name, pool_size=pool_size, seconds=seconds)
    database = Database(engine, asyncio.Semaphore(pool_size), seconds)
    try:
        yield database
    finally:
        await database.close()


def create_engine(url: str, *, name: str, pool_size: int, seconds: float) -> AsyncEngine:
    """An engine that connects when it is first used.

    `seconds` bounds a statement, a connection's setup, and the wait for a free one; `name` is shown in
    `pg_stat_activity`.
    """
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=seconds,
        pool_recycle=1800,
        # Transactions are begun by `Database`.
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={
            "timeout": seconds,
            # The server's own timeout comes first, and leaves the connection usable.
            "command_timeout": seconds + 1,
            "server_settings": {"application_name": name, "statement_timeout": str(int(seconds * 1000))},
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    if is_recording():
        trace_statements(engine.sync_engine, trace.get_tracer("millrace.database"))
    return engine


def _refuse_closed(connection: Any, _record: object, _fairy: object) -> None:
    """The pool makes a new connection for one that the server has closed, and doubts those as old as it.

    The driver knows without asking: a ping would cost each transaction three ways to the server.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def sqlalchemy_url(url: str) -> str:
    """A plain `postgresql://` address as SQLAlchemy wants it for asyncpg. Raises ValueError for any other."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres"}:
        raise ValueError("the database address must begin with postgresql://")
    return f"postgresql+asyncpg://{rest}"
