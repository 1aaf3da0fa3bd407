"""Access PostgreSQL through SQLAlchemy: limited connections, and session types that do or don't allow writes."""

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

from millrace_platform.database_errors import database_errors_as_problems, driver_errors_as_problems
from millrace_platform.database_tracing import trace_statements
from millrace_platform.errors import Unavailable
from millrace_platform.tracing import is_recording

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


CONNECTION_REUSE_SECONDS: Final = 60.0
"""Seconds for which `Database` reuses a connection before it returns it to SQLAlchemy's pool."""


class ReadSession:
    """One read-only transaction; mypy and the database reject statements that write.

    Methods fetch all rows. They raise problem 503 if the database can't be reached, 504 if it takes too long.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Select[*Ts] | CompoundSelect[*Ts], parameters: Parameters = None
    ) -> CursorResult[*Ts]:
        with database_errors_as_problems():
            return await self._connection.execute(statement, parameters)

    @overload
    async def scalar(self, statement: Select[Never]) -> Any: ...

    @overload
    async def scalar(self, statement: Select[T]) -> T | None: ...

    async def scalar(self, statement: Select[Any]) -> Any:
        """Return the first column of the first row; None if there is no row."""
        return (await self.execute(statement)).scalar()


class Session(ReadSession):
    """One transaction that may write. Raises `IntegrityError` unchanged: only the service knows which problem it is.

    `driver` is asyncpg's connection in this transaction, for COPY and for frequent statements, as it takes half the
    time of SQLAlchemy. It raises asyncpg's own errors; wrap its use in `driver_errors_as_problems`.
    """

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection) -> None:
        super().__init__(connection)
        self.driver = driver

    @overload
    async def execute(self, statement: TypedReturnsRows[*Ts], parameters: Parameters = None) -> CursorResult[*Ts]: ...

    @overload
    async def execute(self, statement: Executable, parameters: Parameters = None) -> CursorResult[*tuple[Any, ...]]: ...

    async def execute(self, statement: Executable, parameters: Parameters = None) -> CursorResult[*tuple[Any, ...]]:
        with database_errors_as_problems():
            return await self._connection.execute(statement, parameters)


class Connection(ReadSession):
    """A connection in autocommit mode: each statement is its own transaction.

    For an operation that writes with a single statement. `driver` and its errors are as in `Session`.
    """

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection) -> None:
        super().__init__(connection)
        self.driver = driver

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Run the block in a transaction; commit it at the end, roll back if the block raises."""
        async with _transaction(self.driver, readonly=False):
            yield Session(self._connection, self.driver)


ReadSessions: TypeAlias = Callable[[], AbstractAsyncContextManager[ReadSession]]
"""Opens a read-only session for a block, as `Database.read` does."""


@dataclass(frozen=True, slots=True)
class Database:
    """Opens sessions. Each uses a connection of the pool until its block ends.

    `semaphore` counts the free connections and lets callers wait in order, at most `seconds`; SQLAlchemy's pool would
    give a returned connection to a new caller before those that already wait.
    """

    engine: AsyncEngine
    semaphore: asyncio.Semaphore
    seconds: float
    _idle: list["_PooledConnection"] = field(default_factory=list)
    """Unused connections, retained for reuse because a checkout from SQLAlchemy's pool is slow."""

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a session for the block in a read-only transaction. Problem: 503 without a free connection."""
        async with self.connection() as connection, _transaction(connection.driver, readonly=True):
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Run the block in a transaction; commit it at the end, roll back if the block raises."""
        async with self.connection() as connection, connection.transaction() as session:
            yield session

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Open a connection in autocommit mode for a block. Problem: 503 if none gets free in time."""
        return _Lease(self)

    async def acquire(self) -> "_PooledConnection":
        """Wait for a free connection and return it. Problem: 503 if none is free after `seconds`."""
        if self.semaphore.locked():
            with database_errors_as_problems():
                async with asyncio.timeout(self.seconds):
                    await self.semaphore.acquire()
        else:
            await self.semaphore.acquire()
        try:
            return await self._connect()
        except BaseException:
            self.semaphore.release()
            raise

    async def release(self, connection: "_PooledConnection") -> None:
        """Make an acquired connection free again. Problem: 503 if the connection was lost."""
        try:
            if connection.is_reusable():
                self._idle.append(connection)
            else:
                await _return_to_pool(connection.connection)
        finally:
            self.semaphore.release()

    async def _connect(self) -> "_PooledConnection":
        while self._idle:
            idle = self._idle.pop()
            if idle.is_reusable():
                return idle
            with suppress(Unavailable):
                await _return_to_pool(idle.connection)
        with database_errors_as_problems():
            connection = await self.engine.connect()
        driver = (await connection.get_raw_connection()).driver_connection
        return _PooledConnection(connection, driver, asyncio.get_running_loop().time() + CONNECTION_REUSE_SECONDS)

    async def close(self) -> None:
        """Close the unused connections and the pool."""
        while self._idle:
            with suppress(Unavailable):
                await _return_to_pool(self._idle.pop().connection)
        await self.engine.dispose()

    async def check(self) -> None:
        """Raise a problem if the database doesn't respond; a check for `/readyz`."""
        async with self.read() as session:
            await session.scalar(select(1))


@dataclass(frozen=True, slots=True)
class _PooledConnection:
    """A connection for reuse until `until` (event loop's time); then it returns to the pool, which closes old ones."""

    connection: AsyncConnection
    driver: asyncpg.Connection
    until: float

    def is_reusable(self) -> bool:
        """Return whether another session may use it: it is open, not too old, and no cancelled statement broke it."""
        return not (
            self.driver.is_closed() or self.connection.invalidated or asyncio.get_running_loop().time() >= self.until
        )


class _Lease(AbstractAsyncContextManager[Connection]):
    """Acquires a connection for a block and releases it; a class, as a generator takes twice as long per request."""

    __slots__ = ("_connection", "_database")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        self._connection = pooled = await self._database.acquire()
        return Connection(pooled.connection, pooled.driver)

    async def __aexit__(self, *_error: object) -> None:
        await self._database.release(self._connection)


@asynccontextmanager
async def _transaction(driver: asyncpg.Connection, *, readonly: bool) -> AsyncIterator[None]:
    """Run the block in a transaction of asyncpg; SQLAlchemy would begin its own only with the first statement."""
    transaction = driver.transaction(readonly=readonly)
    try:
        with driver_errors_as_problems(driver):
            await transaction.start()
        yield
        with driver_errors_as_problems(driver):
            await transaction.commit()
    except BaseException:
        await _roll_back(driver, transaction)
        raise


async def _roll_back(driver: asyncpg.Connection, transaction: Transaction) -> None:
    """Roll back; close the connection if that fails or is cancelled, as its state is unknown then."""
    try:
        await transaction.rollback()
    except Exception:
        driver.terminate()
    except BaseException:
        driver.terminate()
        raise


async def _return_to_pool(connection: AsyncConnection) -> None:
    """Return a connection to SQLAlchemy's pool. Problem: 503 if the connection was lost."""
    try:
        await connection.aclose()
    except (DBAPIError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if not connection.closed:
            await connection.invalidate()
        raise Unavailable("The database can't be reached.") from error


@asynccontextmanager
async def open_database(url: str, *, name: str, pool_size: int, seconds: float) -> AsyncIterator[Database]:
    """Open a database with `pool_size` connections; close it after the block. Arguments are as in `create_engine`."""
    engine = create_engine(url, name=name, pool_size=pool_size, seconds=seconds)
    database = Database(engine, asyncio.Semaphore(pool_size), seconds)
    try:
        yield database
    finally:
        await database.close()


def create_engine(url: str, *, name: str, pool_size: int, seconds: float) -> AsyncEngine:
    """Return an engine that connects when it is first used.

    `seconds` limits a statement, the setup of a connection, and the wait for a free one. `name` appears in
    `pg_stat_activity`.
    """
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=seconds,
        pool_recycle=1800,
        # `Database` begins the transactions.
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={
            "timeout": seconds,
            # The server's timeout comes first, because it leaves the connection usable.
            "command_timeout": seconds + 1,
            "server_settings": {"application_name": name, "statement_timeout": str(int(seconds * 1000))},
        },
    )
    event.listen(engine.sync_engine, "checkout", _invalidate_closed)
    if is_recording():
        trace_statements(engine.sync_engine, trace.get_tracer("millrace.database"))
    return engine


def _invalidate_closed(connection: Any, _record: object, _fairy: object) -> None:
    """Make the pool replace a connection that the server closed, and all others opened before this moment.

    asyncpg notices the closed socket by itself; the pool's ping would cost each transaction three round trips.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def sqlalchemy_url(url: str) -> str:
    """Convert a `postgresql://` URL to SQLAlchemy's form for asyncpg. Raise ValueError for any other URL."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres"}:
        raise ValueError("the database address must begin with postgresql://")
    return f"postgresql+asyncpg://{rest}"
