"""PostgreSQL through SQLAlchemy: an engine with bounds, and sessions whose type says whether they may write."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Never, TypeAlias, TypeVar, TypeVarTuple, overload

import asyncpg
from opentelemetry import trace
from sqlalchemy import CompoundSelect, CursorResult, Executable, Select, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.selectable import TypedReturnsRows

from millrace_platform.database_errors import problems_of_database
from millrace_platform.database_tracing import trace_statements
from millrace_platform.errors import Unavailable
from millrace_platform.tracing import is_recording

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


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
    """One transaction that may write. `IntegrityError` passes unchanged: only the service knows what it means."""

    @overload
    async def execute(self, statement: TypedReturnsRows[*Ts], parameters: Parameters = None) -> CursorResult[*Ts]: ...

    @overload
    async def execute(self, statement: Executable, parameters: Parameters = None) -> CursorResult[*tuple[Any, ...]]: ...

    async def execute(self, statement: Executable, parameters: Parameters = None) -> CursorResult[*tuple[Any, ...]]:
        with problems_of_database():
            return await self._connection.execute(statement, parameters)

    async def driver(self) -> asyncpg.Connection:
        """The driver's connection within this transaction, for COPY and other things of PostgreSQL's own."""
        with problems_of_database():
            raw = await self._connection.get_raw_connection()
            connection: asyncpg.Connection = raw.driver_connection
            if not connection.is_in_transaction():
                # SQLAlchemy begins the transaction with its first statement.
                await self._connection.execute(select(1))
            return connection


ReadSessions: TypeAlias = Callable[[], AbstractAsyncContextManager[ReadSession]]
"""Opens a session for one read; `Database.read` is one."""


@dataclass(frozen=True, slots=True)
class Database:
    """Hands out sessions. Each holds a connection of the pool until its block ends."""

    engine: AsyncEngine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """A read-only transaction."""
        with problems_of_database():
            connection = await self.engine.connect()
        async with _closing(connection):
            await connection.execution_options(postgresql_readonly=True)
            yield ReadSession(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Committed where the block ends, rolled back where it raises."""
        with problems_of_database():
            connection = await self.engine.connect()
        async with _closing(connection):
            yield Session(connection)
            with problems_of_database():
                await connection.commit()

    async def check(self) -> None:
        """Raises when the database doesn't answer: a check for `/readyz`."""
        async with self.read() as session:
            await session.scalar(select(1))


@asynccontextmanager
async def _closing(connection: AsyncConnection) -> AsyncIterator[None]:
    """Gives the connection back. Raises 503 where it was lost: whatever was done in the block, it didn't end well."""
    try:
        yield
    finally:
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
    try:
        yield Database(engine)
    finally:
        await engine.dispose()


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
        pool_pre_ping=True,
        pool_recycle=1800,
        hide_parameters=True,
        connect_args={
            "timeout": seconds,
            # The server's own timeout comes first, and leaves the connection usable.
            "command_timeout": seconds + 1,
            "server_settings": {"application_name": name, "statement_timeout": str(int(seconds * 1000))},
        },
    )
    if is_recording():
        trace_statements(engine.sync_engine, trace.get_tracer("millrace.database"))
    return engine


def sqlalchemy_url(url: str) -> str:
    """A plain `postgresql://` address as SQLAlchemy wants it for asyncpg. Raises ValueError for any other."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres"}:
        raise ValueError("the database address must begin with postgresql://")
    return f"postgresql+asyncpg://{rest}"
