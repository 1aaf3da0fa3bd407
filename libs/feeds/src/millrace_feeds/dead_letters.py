"""Dead letters: records that could not be applied, stored with the reason until an operator sends them again.

The id is derived from the record, so parking a record again replaces its dead letter.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from millrace_feeds.errors import DeadLetterNotFound, DeadLetterWithoutBody
from millrace_feeds.publish_queue import QueuedRecord
from millrace_feeds.publisher import Publisher
from millrace_feeds.transport import Record, Transport


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be applied. `arrived` and `parked` are Unix seconds; `attempts` counts failed calls.

    `body` is None if it is too large for the store; the record can be read from the stream at `sequence`.
    """

    id: str
    application: str
    stream: str
    shard_id: str
    sequence: str
    key: str
    reason: str
    attempts: int
    arrived: float
    parked: float
    body: bytes | None

    @classmethod
    def from_record(
        cls, record: Record, *, application: str, reason: str, attempts: int, parked: float
    ) -> "DeadLetter":
        return cls(
            id=dead_letter_id(application, record),
            application=application,
            stream=record.stream,
            shard_id=record.shard_id,
            sequence=record.sequence,
            key=record.key,
            reason=reason[:2_000],
            attempts=attempts,
            arrived=record.arrived,
            parked=parked,
            body=record.body,
        )


def dead_letter_id(application: str, record: Record) -> str:
    """Return the id `<application>-<12 hex digits>`; the digits are a hash of the record's position in the stream."""
    position = "\0".join((record.stream, record.shard_id, record.sequence))
    return f"{application}-{hashlib.sha256(position.encode()).hexdigest()[:12]}"


def application_from_id(dead_letter_id: str) -> str:
    """Return the application's name, the part of the id before the last hyphen."""
    return dead_letter_id.rpartition("-")[0]


class DeadLetterStore(Protocol):
    """Stores dead letters. Any method may raise `Unavailable`; all are safe to repeat."""

    async def park(self, dead_letter: DeadLetter) -> None:
        """Store the dead letter durably; replace one with the same id."""
        ...

    async def get(self, dead_letter_id: str) -> DeadLetter | None: ...

    def list(self, application: str | None = None) -> AsyncIterator[DeadLetter]:
        """Yield the dead letters of one application, of all if it is None, in no particular order."""
        ...

    async def count(self, application: str) -> int: ...

    async def remove(self, dead_letter_id: str) -> None: ...


async def redrive(store: DeadLetterStore, transport: Transport, dead_letter_id: str) -> DeadLetter:
    """Put the record of a dead letter back on its stream, then remove the dead letter.

    A crash between the two steps leaves the dead letter; redriving it again is safe, as handlers are idempotent. Raises
    `DeadLetterNotFound`, `DeadLetterWithoutBody`, and `Unavailable` if the record can't be published.
    """
    dead_letter = await store.get(dead_letter_id)
    if dead_letter is None:
        raise DeadLetterNotFound(f"no dead letter {dead_letter_id}")
    if dead_letter.body is None:
        position = f"{dead_letter.stream} {dead_letter.sequence}"
        raise DeadLetterWithoutBody(f"{dead_letter_id}: the record was too large to store, read it from {position}")
    publisher = Publisher(transport=transport, stream=dead_letter.stream)
    await publisher.publish_records([QueuedRecord(0, dead_letter.key, dead_letter.body)])
    await store.remove(dead_letter_id)
    return dead_letter


class MemoryDeadLetterStore:
    """Stores dead letters in memory, for tests."""

    def __init__(self) -> None:
        self._dead_letters: dict[str, DeadLetter] = {}

    async def park(self, dead_letter: DeadLetter) -> None:
        self._dead_letters[dead_letter.id] = dead_letter

    async def get(self, dead_letter_id: str) -> DeadLetter | None:
        return self._dead_letters.get(dead_letter_id)

    async def list(self, application: str | None = None) -> AsyncIterator[DeadLetter]:
        for dead_letter in list(self._dead_letters.values()):
            if application in (None, dead_letter.application):
                yield dead_letter

    async def count(self, application: str) -> int:
        return sum(dead_letter.application == application for dead_letter in self._dead_letters.values())

    async def remove(self, dead_letter_id: str) -> None:
        self._dead_letters.pop(dead_letter_id, None)
