"""Run a POST with an `Idempotency-Key` at most once (draft-ietf-httpapi-idempotency-key-header-07).

An idempotency record contains the response. It is stored in the transaction of the effect; if the request is repeated,
its response is sent again. A request that ends in a problem leaves no record: its repetition runs again. Each caller,
the owner of its records, has its own keys.

Problems: 400 for a missing or invalid key, 409 while a request with the key is running, 422 if the key was used for a
different request.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from fastapi import Depends, Header, Request, Response
from sqlalchemy import DateTime, Uuid, bindparam, text

from millrace_platform.database import Session
from millrace_platform.database_errors import driver_errors_as_problems
from millrace_platform.errors import FieldError, Problem

RETENTION = timedelta(hours=24)
"""Age at which an idempotency record may be deleted."""

IDEMPOTENCY_DDL = """
CREATE TABLE idempotency (
    owner uuid,
    key text,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_pkey PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_created_at_idx ON idempotency (created_at)
"""
"""Two statements that create the table; for a service's migration."""

_KEY = re.compile(r'"([\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x5b\x5d-\x7e]{1,255})')
"""A string of RFC 8941 without escapes. The quotes are optional, as most clients leave them out."""
_DELETE_BATCH = 10_000

# Doesn't wait for the lock. It may be free because another request committed after this statement's snapshot: then the
# insert conflicts, and `execute_once` rolls back and looks the record up again.
_LOOK_UP = """
SELECT pg_try_advisory_xact_lock($3) AS locked, fingerprint, status, headers, body
FROM (SELECT 1) AS always LEFT JOIN idempotency ON owner = $1 AND key = $2
"""
_INSERT = "INSERT INTO idempotency (owner, key, fingerprint, status, headers, body, created_at)"
_INSERT_RECORD = f"{_INSERT} VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING status"
_DELETE_EXPIRED = text("""
DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency WHERE created_at < :before LIMIT :most))
""").bindparams(bindparam("before", type_=DateTime(timezone=True)))
_DELETE_OF_OWNER = text("DELETE FROM idempotency WHERE owner = :owner").bindparams(bindparam("owner", type_=Uuid))


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as stored in an idempotency record and as sent, so that a repeated request gets the same bytes."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return the response for FastAPI."""
        return Response(self.body, self.status, dict(self.headers))


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The key of a request, and the `fingerprint` of its method, target and body."""

    key: str
    fingerprint: bytes


class Work(Protocol):
    """A unit of work: its `session` is one transaction."""

    @property
    def session(self) -> Session: ...


W = TypeVar("W", bound=Work)


async def execute_once(
    begin: Callable[[], AbstractAsyncContextManager[W]],
    owner: UUID,
    key: IdempotencyKey,
    now: datetime,
    effect: Callable[[W], Awaitable[StoredResponse]],
) -> StoredResponse:
    """Run `effect` in a transaction that `begin` opens and store its response, or return the key's stored response.

    Rolls back and stores nothing if `effect` raises. Problems: 409 while the key is in use, 422 for another request.
    """
    while True:
        try:
            async with begin() as work:
                stored = await _look_up(work.session, owner, key)
                if stored is not None:
                    return stored
                response = await effect(work)
                await _store(work.session, owner, key, now, response)
            return response
        except _RecordExistsError:
            continue


async def execute_statement_once(
    key: IdempotencyKey, look_up: Callable[[], Awaitable[Any]], act: Callable[[Any], Awaitable[StoredResponse]]
) -> StoredResponse:
    """Run an effect that is a single SQL statement at most once per key; return its response or the key's stored one.

    `look_up` returns the row of a `select_record_or` statement. If that has no record, `act` gets the row and runs one
    statement with `insert_record_cte`. A concurrent repetition waits for that statement and gets its response.
    """
    refusal: Problem | None = None
    while True:
        row = await look_up()
        if row["status"] is not None:
            return _response_from(row, key)
        if refusal is not None:
            raise refusal
        try:
            return await act(row)
        except asyncpg.UniqueViolationError as error:
            if error.table_name != "idempotency":
                raise
        except Problem as problem:
            # The cause may be a concurrent request with the same key that committed after the look-up: check again.
            if problem.status >= 500:
                raise
            refusal = problem


def select_record_or(query: str) -> str:
    """Return the SQL of a SELECT of one row: a key's idempotency record and the columns of `query`.

    If there is a record, `query` isn't executed and its columns are null; else the record's columns are. The arguments
    are the owner `$1`, the key `$2`, then those of `query`.
    """
    return f"""
SELECT record.fingerprint, record.status, record.headers, record.body, found.*
FROM (SELECT 1) AS always LEFT JOIN idempotency record ON record.owner = $1 AND record.key = $2
LEFT JOIN LATERAL ({query}) AS found ON record.status IS NULL
"""  # noqa: S608 # constants


def insert_record_cte(effect: str, first: int) -> str:
    """Return the SQL of a CTE that inserts an idempotency record if the CTE `effect` has a row.

    Its arguments, from `$first` on, are those of `record_values`. The whole statement fails if the key has a record.
    """
    types = ("uuid", "text", "bytea", "smallint", "text", "bytea", "timestamptz")
    values = ", ".join(f"${number}::{each}" for number, each in enumerate(types, first))
    return f"idempotency_record AS ({_INSERT} SELECT {values} FROM {effect})"  # noqa: S608 # constants


def record_values(owner: UUID, key: IdempotencyKey, now: datetime, response: StoredResponse) -> tuple[object, ...]:
    """Return the values of a new idempotency record in the order of the table's columns."""
    headers = msgspec.json.encode(response.headers).decode()
    return owner, key.key, key.fingerprint, response.status, headers, response.body, now


async def delete_expired(session: Session, now: datetime) -> int:
    """Delete up to 10,000 records older than `RETENTION`; return the number deleted."""
    result = await session.execute(_DELETE_EXPIRED, {"before": now - RETENTION, "most": _DELETE_BATCH})
    return result.rowcount


async def delete_owner_records(session: Session, owner: UUID) -> None:
    """Delete all idempotency records of an owner."""
    await session.execute(_DELETE_OF_OWNER, {"owner": owner})


class _RecordExistsError(Exception):
    """Raised if another request with the same key was committed since the look-up."""


async def _look_up(session: Session, owner: UUID, key: IdempotencyKey) -> StoredResponse | None:
    with driver_errors_as_problems(session.driver):
        (row,) = await session.driver.fetch(_LOOK_UP, owner, key.key, _lock(owner, key))
    if row["status"] is None:
        if not row["locked"]:
            raise _problem(
                409, "idempotency-key-in-use", "A request with this key is still running", "Wait, then send it again."
            )
        return None
    return _response_from(row, key)


def _response_from(row: Any, key: IdempotencyKey) -> StoredResponse:
    """Return the response of an idempotency record. Problem: 422 if the fingerprint differs."""
    if row["fingerprint"] != key.fingerprint:
        title = "Idempotency key already used for a different request"
        raise _problem(422, "idempotency-key-reused", title, "Send a new key.")
    return StoredResponse(row["status"], row["body"], msgspec.json.decode(row["headers"]))


async def _store(session: Session, owner: UUID, key: IdempotencyKey, now: datetime, response: StoredResponse) -> None:
    with driver_errors_as_problems(session.driver):
        rows = await session.driver.fetch(_INSERT_RECORD, *record_values(owner, key, now, response))
    if not rows:
        raise _RecordExistsError


def _lock(owner: UUID, key: IdempotencyKey) -> int:
    digest = hashlib.blake2b(owner.bytes + key.key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _problem(status: int, slug: str, title: str, remedy: str) -> Problem:
    error = FieldError(field="Idempotency-Key", detail=title + ".", remedy=remedy)
    return Problem(status=status, type=slug, title=title, errors=[error])


def fingerprint(method: str, target: str, body: bytes) -> bytes:
    """Return a digest (16 bytes) of a request, by which a different request with the same key is detected."""
    digest = hashlib.blake2b(f"{method} {target}\n".encode(), digest_size=16)
    digest.update(body)
    return digest.digest()


async def _idempotency_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(description="A new value for each operation, e.g. a UUID; repeat a request with the same value."),
    ] = None,
) -> IdempotencyKey:
    match = None if idempotency_key is None else _KEY.fullmatch(idempotency_key.strip())
    if match is None:
        slug = "idempotency-key-missing" if idempotency_key is None else "idempotency-key-invalid"
        remedy = "Send 1 to 255 visible ASCII characters, e.g. a UUID."
        raise _problem(400, slug, "Idempotency-Key is missing or invalid", remedy)
    query = request.scope["query_string"].decode("latin-1")
    target = f"{request.scope['path']}?{query}" if query else request.scope["path"]
    return IdempotencyKey(match[1] or match[2], fingerprint(request.method, target, await request.body()))


InIdempotencyKey: TypeAlias = Annotated[IdempotencyKey, Depends(_idempotency_key)]
"""Parameter of an endpoint: the idempotency key of the request; 400 if it is missing or invalid."""
