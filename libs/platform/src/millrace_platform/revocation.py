"""Refuse access tokens that were issued before their account signed out everywhere, changed its roles or was erased.

Access tokens are valid for minutes without asking anybody. `patients` publishes when an account's earlier tokens become
invalid (`account` events); each service copies that time to its table `token_revocation` for as long as such a token
could be valid, and each of its processes reads new rows every second. So the check costs a request no query, and a
revoked token is refused within seconds. While the feed or the database is unavailable, tokens that were revoked since
stay valid until they expire.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Uuid, func

from millrace_contracts.entities import Account
from millrace_contracts.envelope import ContractError, decode
from millrace_contracts.registry import ACCOUNT, decode_entity
from millrace_feeds.clock import Clock, utc_now
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_platform.authentication import Principal, RevokedTokenError, TokenVerifier
from millrace_platform.database import Database
from millrace_platform.periodic import run_periodically
from millrace_platform.statements import fetch

TOKEN_LIFETIME_LIMIT: Final = 86_400.0
"""The longest lifetime of an access token in seconds, which is also Amazon Cognito's."""
RETENTION: Final = timedelta(seconds=TOKEN_LIFETIME_LIMIT) + timedelta(minutes=5)
"""Age of a revocation that no valid token can precede, with the allowed difference between clocks."""
REVOCATIONS_LIMIT: Final = 100_000
"""Maximum number of revocations in memory, the newest; they take some 20 megabytes."""
POLL_SECONDS: Final = 1.0
POLLS_PER_DELETION: Final = 600
OVERLAP: Final = timedelta(minutes=1)
"""Rows may become visible this much later than their `stored_at`, since a transaction may take as long to commit."""

REVOCATION_DDL: Final = """
CREATE TABLE token_revocation (
    subject uuid CONSTRAINT token_revocation_pkey PRIMARY KEY,
    valid_from timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX token_revocation_stored_at_idx ON token_revocation (stored_at)
"""
"""Two statements that create the table; for a service's migration."""

KEY_PREFIX: Final = f"{ACCOUNT.name}/"
_STORE: Final = """
INSERT INTO token_revocation (subject, valid_from) SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
ON CONFLICT (subject) DO UPDATE SET valid_from = excluded.valid_from, stored_at = now()
WHERE token_revocation.valid_from < excluded.valid_from
"""
_READ: Final = """
SELECT subject, valid_from, stored_at FROM token_revocation WHERE stored_at >= $1 ORDER BY stored_at DESC LIMIT $2
"""
_DELETE: Final = """
DELETE FROM token_revocation
WHERE ctid = ANY (ARRAY(SELECT ctid FROM token_revocation WHERE valid_from < $1 LIMIT 10000))
"""


def define_revocation_table(metadata: MetaData) -> Table:
    """Add the table of `REVOCATION_DDL` to a service's metadata."""
    return Table(
        "token_revocation",
        metadata,
        Column("subject", Uuid, primary_key=True),
        Column("valid_from", DateTime(timezone=True), nullable=False),
        Column("stored_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index("token_revocation_stored_at_idx", "stored_at"),
    )


def account_from(record: Record) -> tuple[Account, int] | None:
    """Return the account of a record and its version; None for other entities. Raises `InvalidRecord`."""
    if not record.key.startswith(KEY_PREFIX):
        return None
    try:
        envelope = decode(record.body)
        entity = decode_entity(envelope)
        if not isinstance(entity, Account):
            return None
        for identifier in (entity.id, *entity.practice_ids):
            UUID(identifier)
    except (ContractError, ValueError) as error:
        raise InvalidRecord(record, str(error)) from error
    return entity, envelope.entityversion


@dataclass(frozen=True, slots=True)
class RevocationHandler:
    """Feed handler that stores since when the tokens of accounts are valid; ignores all other entities. Idempotent."""

    database: Database
    clock: Clock

    async def handle(self, records: Sequence[Record]) -> None:
        """Store the times that could still concern a token. Raises `InvalidRecord`."""
        oldest = utc_now(self.clock) - RETENTION
        found: dict[UUID, datetime] = {}
        for record in records:
            valid_from = _valid_from(record)
            if valid_from is not None and valid_from[1] >= oldest:
                subject, moment = valid_from
                found[subject] = max(moment, found.get(subject, moment))
        if not found:
            return
        # Sorted, so that two consumers can't deadlock while a lease changes hands.
        subjects = sorted(found)
        async with self.database.transaction() as session:
            await fetch(session, _STORE, subjects, [found[subject] for subject in subjects])


def _valid_from(record: Record) -> tuple[UUID, datetime] | None:
    parsed = account_from(record)
    if parsed is None or parsed[0].tokens_valid_from is None:
        return None
    try:
        moment = datetime.fromisoformat(parsed[0].tokens_valid_from)
    except ValueError as error:
        raise InvalidRecord(record, f"tokens_valid_from: {error}") from error
    if moment.tzinfo is None:
        raise InvalidRecord(record, "tokens_valid_from: the offset is missing")
    return UUID(parsed[0].id), moment


@dataclass(slots=True)
class Revocations:
    """The revocations of the last `RETENTION` in memory, read from the service's table."""

    database: Database
    clock: Clock
    _valid_from: dict[UUID, float] = field(default_factory=dict, init=False)
    _read_until: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)
    _polls: int = field(default=0, init=False)

    def is_revoked(self, caller: Principal) -> bool:
        """Return whether the caller's token was issued before the caller's tokens became invalid."""
        valid_from = self._valid_from.get(caller.subject)
        return valid_from is not None and caller.issued_at < valid_from

    async def refresh(self) -> None:
        """Read the rows that were stored since the last call, at most the newest `REVOCATIONS_LIMIT`."""
        async with self.database.connection() as connection:
            rows = await fetch(connection, _READ, self._read_until, REVOCATIONS_LIMIT)
        for row in reversed(rows):
            # At the end, since the first entries are the ones to forget.
            self._valid_from.pop(row["subject"], None)
            self._valid_from[row["subject"]] = row["valid_from"].timestamp()
        if rows:
            self._read_until = max(self._read_until, rows[0]["stored_at"] - OVERLAP)
        while len(self._valid_from) > REVOCATIONS_LIMIT:
            del self._valid_from[next(iter(self._valid_from))]

    async def delete_expired(self) -> None:
        """Delete what no valid token can precede, from the table and from memory."""
        oldest = utc_now(self.clock) - RETENTION
        async with self.database.transaction() as session:
            await fetch(session, _DELETE, oldest)
        expired = [subject for subject, moment in self._valid_from.items() if moment < oldest.timestamp()]
        for subject in expired:
            del self._valid_from[subject]

    async def run(self) -> None:
        """Refresh every second, and delete expired rows now and then, until cancelled."""
        await run_periodically(self._run_once, name="revocations", pause=POLL_SECONDS)

    async def _run_once(self) -> None:
        await self.refresh()
        if self._polls % POLLS_PER_DELETION == 0:
            await self.delete_expired()
        self._polls += 1


@dataclass(frozen=True, slots=True)
class RevocationVerifier:
    """Verifies tokens with another verifier, and refuses revoked ones."""

    verifier: TokenVerifier
    revocations: Revocations

    async def verify(self, token: str) -> Principal:
        """Return the token's caller; raise `RevokedTokenError`, or what the other verifier raises."""
        caller = await self.verifier.verify(token)
        if self.revocations.is_revoked(caller):
            raise RevokedTokenError("revoked")
        return caller
