"""Access PostgreSQL through SQLAlchemy: limited connections, and session types that do or don't allow writes."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Never, TypeAlias, TypeVar, TypeVarTuple, overload

import asyncpg
from asyncpg.transaction import Transaction
from opentelemetry import trace
from sqlalchemy import CompoundSelect, CursorResult, Executable, Select, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.selectable import TypedReturnsRows

from millrace_platform.database_errors import database_errors_as_problems, driver_errors_as_problems
from millrace_platform.database_tracing import trace_statements
from millrace_platform.tls import client_context
from millrace_platform.tracing import is_recording

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


CONNECTION_SECONDS: Final = 1800.0
"""Age at which a connection is replaced, so that services follow a database that moved to another address."""
CLOSE_SECONDS: Final = 2.0


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
    """A pool of connections to PostgreSQL (decision 0017). Each session uses one of them until its block ends.

    `free` counts the connections that may be acquired and lets callers wait in order, at most `seconds`.
    """

    engine: AsyncEngine
    free: asyncio.Semaphore
    seconds: float
    _idle: list["_PooledConnection"] = field(default_factory=list)

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
        if self.free.locked():
            with database_errors_as_problems():
                async with asyncio.timeout(self.seconds):
                    await self.free.acquire()
        else:
            await self.free.acquire()
        try:
            while self._idle:
                idle = self._idle.pop()
                if idle.is_usable():
                    return idle
                await idle.close()
            return await self._connect()
        except BaseException:
            self.free.release()
            raise

    def release(self, connection: "_PooledConnection") -> None:
        """Make an acquired connection free again."""
        self._idle.append(connection)
        self.free.release()

    async def _connect(self) -> "_PooledConnection":
        with database_errors_as_problems():
            connection = await self.engine.connect()
            driver = (await connection.get_raw_connection()).driver_connection
        return _PooledConnection(connection, driver, asyncio.get_running_loop().time() + CONNECTION_SECONDS)

    async def close(self) -> None:
        """Close the unused connections."""
        while self._idle:
            await self._idle.pop().close()

    async def check(self) -> None:
        """Raise a problem if the database doesn't respond; a check for `/readyz`."""
        async with self.read() as session:
            await session.scalar(select(1))


@dataclass(frozen=True, slots=True)
class _PooledConnection:
    """An open connection, which is replaced after `until` (event loop's time)."""

    connection: AsyncConnection
    driver: asyncpg.Connection
    until: float

    def is_usable(self) -> bool:
        """Return whether the connection is open and not too old; a cancelled statement or a lost socket closes it."""
        return not (
            self.driver.is_closed() or self.connection.invalidated or asyncio.get_running_loop().time() >= self.until
        )

    async def close(self) -> None:
        """Close the connection; abort it if it is broken or doesn't close within `CLOSE_SECONDS`."""
        with suppress(DBAPIError, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.connection.aclose()
            finally:
                self.driver.terminate()


class _Lease(AbstractAsyncContextManager[Connection]):
    """Acquires a pooled connection for a block; not a generator, as one takes twice as long per request."""

    __slots__ = ("_connection", "_database")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        self._connection = pooled = await self._database.acquire()
        return Connection(pooled.connection, pooled.driver)

    async def __aexit__(self, *_error: object) -> None:
        self._database.release(self._connection)


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


@asynccontextmanager
async def open_database(url: str, *, name: str, pool_size: int, seconds: float) -> AsyncIterator[Database]:
    """Open a database that connects when it is first used, `pool_size` times at most; close it after the block.

    `seconds` limits a statement, the setup of a connection, and the wait for a free one. `name` appears in
    `pg_stat_activity`.
    """
    engine = create_async_engine(
        sqlalchemy_url(url),
        # `Database` pools the connections and begins the transactions.
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={
            **tls_options(),
            "timeout": seconds,
            # The server's timeout comes first, because it leaves the connection usable.
            "command_timeout": seconds + 1,
            "server_settings": {"application_name": name, "statement_timeout": str(int(seconds * 1000))},
        },
    )
    if is_recording():
        trace_statements(engine.sync_engine, trace.get_tracer("millrace.database"))
    database = Database(engine, asyncio.Semaphore(pool_size), seconds)
    try:
        yield database
    finally:
        await database.close()


def tls_options() -> dict[str, ssl.SSLContext]:
    """Return the driver's options for `PGSSLMODE=verify-full` with `PGSSLROOTCERT`; it reads others of libpq itself.

    It would read the file for each connection, and block the event loop for 30 ms with Amazon's authorities. Raises
    OSError if the file can't be read.
    """
    authorities = os.environ.get("PGSSLROOTCERT")
    if os.environ.get("PGSSLMODE") != "verify-full" or not authorities:
        return {}
    return {"ssl": client_context(Path(authorities).read_text("ascii"))}


def sqlalchemy_url(url: str) -> str:
    """Convert a `postgresql://` URL to SQLAlchemy's form for asyncpg. Raise ValueError for any other URL."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres"}:
        raise ValueError("the database address must begin with postgresql://")
    return f"postgresql+asyncpg://{rest}"
