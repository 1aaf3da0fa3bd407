"""POSTs that may be sent again (draft-ietf-httpapi-idempotency-key-header-07).

The answer is kept in the transaction of its effect, so either both are there or neither. What had no effect isn't kept:
a refused request may be sent again under its key, and is judged anew. A key belongs to its owner, the caller.

Problems: 400 without a key or with one that can't be read, 409 while the same key is being worked on, 422 where the key
came before with another request.
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
from millrace_platform.database_errors import problems_of_driver
from millrace_platform.errors import FieldError, Problem

LIFETIME = timedelta(hours=24)
"""How long an answer is kept."""

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
"""Two statements, for a service's migration."""

_KEY = re.compile(r'"([\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x5b\x5d-\x7e]{1,255})')
"""A structured field's string (RFC 8941) without escapes; the quotes may be missing, as most clients leave them out."""
_SWEPT_AT_ONCE = 10_000

# The lock isn't waited for. It may be had just after another's commit that this statement's snapshot doesn't show:
# then the row can't be written, and everything is undone and looked up again.
_LOOK_UP = """
SELECT pg_try_advisory_xact_lock($3) AS locked, fingerprint, status, headers, body
FROM (SELECT 1) AS always LEFT JOIN idempotency ON owner = $1 AND key = $2
"""
_INSERT = "INSERT INTO idempotency (owner, key, fingerprint, status, headers, body, created_at)"
_KEEP = f"{_INSERT} VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING status"
_SWEEP = text("""
DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency WHERE created_at < :before LIMIT :most))
""").bindparams(bindparam("before", type_=DateTime(timezone=True)))
_FORGET = text("DELETE FROM idempotency WHERE owner = :owner").bindparams(bindparam("owner", type_=Uuid))


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it is kept and sent: the same bytes each time."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        return Response(self.body, self.status, dict(self.headers))


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A request's key, and a digest of what was asked under it: method, target and body."""

    key: str
    fingerprint: bytes


class Work(Protocol):
    """A unit of work: what is done in its session is committed as one."""

    @property
    def session(self) -> Session: ...


W = TypeVar("W", bound=Work)


async def once(
    begin: Callable[[], AbstractAsyncContextManager[W]],
    owner: UUID,
    key: IdempotencyKey,
    now: datetime,
    effect: Callable[[W], Awaitable[Answer]],
) -> Answer:
    """The answer of `effect`, which takes place at most once, or the one that was kept. Raises the problems above.

    `begin` begins a unit of work. Where `effect` raises, nothing is kept.
    """
    while True:
        try:
            async with begin() as work:
                kept = await _look_up(work.session, owner, key)
                if kept is not None:
                    return kept
                answer = await effect(work)
                await _keep(work.session, owner, key, now, answer)
            return answer
        except _CameFirstError:
            continue


async def at_once(
    key: IdempotencyKey, look: Callable[[], Awaitable[Any]], act: Callable[[Any], Awaitable[Answer]]
) -> Answer:
    """As `once`, for what is one statement that keeps the answer too, and needs no transaction begun and ended for it.

    `look` has a row of a statement made by `beside_kept`; `act` gets it where nothing is kept, and has its effect by a
    statement with `keeping`. Nothing is locked between the two: whoever repeats a request while it takes effect waits
    for that one statement, and gets its answer.
    """
    refusal: Problem | None = None
    while True:
        row = await look()
        if row["status"] is not None:
            return _repeated(row, key)
        if refusal is not None:
            raise refusal
        try:
            return await act(row)
        except asyncpg.UniqueViolationError as error:
            if error.table_name != "idempotency":
                raise
        except Problem as problem:
            # What refuses it may be its own repetition, committed since it was looked up.
            if problem.status >= 500:
                raise
            refusal = problem


def beside_kept(query: str) -> str:
    """What is kept under a key, and where nothing is, the row of `query` (or nulls) behind it.

    `$1` is the owner, `$2` the key; those of the query come behind.
    """
    return f"""
SELECT kept.fingerprint, kept.status, kept.headers, kept.body, found.*
FROM (SELECT 1) AS always LEFT JOIN idempotency kept ON kept.owner = $1 AND kept.key = $2
LEFT JOIN LATERAL ({query}) AS found ON kept.status IS NULL
"""  # noqa: S608 # constants


def keeping(effect: str, first: int) -> str:
    """A CTE that keeps an answer if the CTE `effect` has a row; its arguments are a `kept_row`, from `$first` on.

    Where the key came first with another request, the whole statement fails.
    """
    types = ("uuid", "text", "bytea", "smallint", "text", "bytea", "timestamptz")
    values = ", ".join(f"${number}::{each}" for number, each in enumerate(types, first))
    return f"kept AS ({_INSERT} SELECT {values} FROM {effect})"  # noqa: S608 # constants


def kept_row(owner: UUID, key: IdempotencyKey, now: datetime, answer: Answer) -> tuple[object, ...]:
    """The answer as it lies in the table."""
    headers = msgspec.json.encode(answer.headers).decode()
    return owner, key.key, key.fingerprint, answer.status, headers, answer.body, now


async def sweep(session: Session, now: datetime) -> int:
    """Remove some thousand answers that have had their time; how many."""
    result = await session.execute(_SWEEP, {"before": now - LIFETIME, "most": _SWEPT_AT_ONCE})
    return result.rowcount


async def forget(session: Session, owner: UUID) -> None:
    """Remove all that was kept for an owner."""
    await session.execute(_FORGET, {"owner": owner})


class _CameFirstError(Exception):
    """Another request with the key committed just now."""


async def _look_up(session: Session, owner: UUID, key: IdempotencyKey) -> Answer | None:
    with problems_of_driver(session.driver):
        (found,) = await session.driver.fetch(_LOOK_UP, owner, key.key, _lock(owner, key))
    if found["status"] is None:
        if not found["locked"]:
            raise _problem(
                409, "idempotency-key-in-use", "A request with this key is under way", "Wait, then repeat it."
            )
        return None
    return _repeated(found, key)


def _repeated(found: Any, key: IdempotencyKey) -> Answer:
    """The answer that is kept in a row."""
    if found["fingerprint"] != key.fingerprint:
        raise _problem(422, "idempotency-key-reused", "The key came with another request", "Make a new key.")
    return Answer(found["status"], found["body"], msgspec.json.decode(found["headers"]))


async def _keep(session: Session, owner: UUID, key: IdempotencyKey, now: datetime, answer: Answer) -> None:
    with problems_of_driver(session.driver):
        kept = await session.driver.fetch(_KEEP, *kept_row(owner, key, now, answer))
    if not kept:
        raise _CameFirstError


def _lock(owner: UUID, key: IdempotencyKey) -> int:
    digest = hashlib.blake2b(owner.bytes + key.key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _problem(status: int, slug: str, title: str, remedy: str) -> Problem:
    wrong = FieldError(field="Idempotency-Key", detail=title + ".", remedy=remedy)
    return Problem(status=status, type=slug, title=title, errors=[wrong])


def fingerprint(method: str, target: str, body: bytes) -> bytes:
    """16 bytes that tell requests apart."""
    digest = hashlib.blake2b(f"{method} {target}\n".encode(), digest_size=16)
    digest.update(body)
    return digest.digest()


async def _idempotency_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(description="Made anew for each thing to do, e.g. a UUID; sent again with each repetition of it."),
    ] = None,
) -> IdempotencyKey:
    match = None if idempotency_key is None else _KEY.fullmatch(idempotency_key.strip())
    if match is None:
        slug = "idempotency-key-missing" if idempotency_key is None else "idempotency-key-invalid"
        remedy = "Send 1 to 255 visible characters of ASCII, e.g. a UUID."
        raise _problem(400, slug, "The request needs an Idempotency-Key", remedy)
    query = request.scope["query_string"].decode("latin-1")
    target = f"{request.scope['path']}?{query}" if query else request.scope["path"]
    return IdempotencyKey(match[1] or match[2], fingerprint(request.method, target, await request.body()))


InIdempotencyKey: TypeAlias = Annotated[IdempotencyKey, Depends(_idempotency_key)]
"""An endpoint's parameter."""
