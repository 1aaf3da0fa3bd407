"""Records that could not be applied, with the reason: they wait until someone sends them again.

A record's letter has the same id however often it is parked, so a repeat replaces it.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from millrace_feeds.errors import FeedError
from millrace_feeds.outgoing import Parcel
from millrace_feeds.publisher import Publisher
from millrace_feeds.transport import Record, Transport


class UnknownLetter(FeedError):  # noqa: N818 # as its siblings in errors.py
    """There is no dead letter of this id."""


class LetterWithoutBody(FeedError):  # noqa: N818
    """The letter's record was too large to keep; it can only be read from its position in the stream."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A parked record. `arrived` and `parked` are unix seconds; `attempts` counts the calls that failed on it.

    `body` is None where it is too large for the store: the position names where the stream has it.
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
    def of(cls, record: Record, *, application: str, reason: str, attempts: int, parked: float) -> "DeadLetter":
        return cls(
            id=letter_id(application, record),
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


def letter_id(application: str, record: Record) -> str:
    """`<application>-<12 hex digits>`, the same for the same record of the same application."""
    position = "\0".join((record.stream, record.shard_id, record.sequence))
    return f"{application}-{hashlib.sha256(position.encode()).hexdigest()[:12]}"


def application_of(letter: str) -> str:
    """The application that a letter's id names."""
    return letter.rpartition("-")[0]


class DeadLetters(Protocol):
    """Where letters lie. Any method may raise `Unavailable`; all are safe to repeat."""

    async def park(self, letter: DeadLetter) -> None:
        """Durable when it returns."""
        ...

    async def get(self, letter: str) -> DeadLetter | None: ...

    def list(self, application: str | None = None) -> AsyncIterator[DeadLetter]:
        """Letters of one application, or of all, in no particular order."""
        ...

    async def count(self, application: str) -> int: ...

    async def remove(self, letter: str) -> None: ...


async def redrive(letters: DeadLetters, transport: Transport, letter_id: str) -> DeadLetter:
    """Put a letter's record back on the stream it came from, then remove the letter.

    Killed in between, both exist, and the record is applied once all the same. Raises `UnknownLetter`,
    `LetterWithoutBody`, and `Unavailable` where the stream didn't take it.
    """
    letter = await letters.get(letter_id)
    if letter is None:
        raise UnknownLetter(f"no dead letter {letter_id}")
    if letter.body is None:
        raise LetterWithoutBody(f"{letter_id}: the record is too large to keep, see {letter.stream} {letter.sequence}")
    await Publisher(transport=transport, stream=letter.stream).publish_parcels([Parcel(0, letter.key, letter.body)])
    await letters.remove(letter_id)
    return letter


class MemoryDeadLetters:
    """Letters in a dict, for tests."""

    def __init__(self) -> None:
        self._letters: dict[str, DeadLetter] = {}

    async def park(self, letter: DeadLetter) -> None:
        self._letters[letter.id] = letter

    async def get(self, letter: str) -> DeadLetter | None:
        return self._letters.get(letter)

    async def list(self, application: str | None = None) -> AsyncIterator[DeadLetter]:
        for letter in list(self._letters.values()):
            if application in (None, letter.application):
                yield letter

    async def count(self, application: str) -> int:
        return sum(letter.application == application for letter in self._letters.values())

    async def remove(self, letter: str) -> None:
        self._letters.pop(letter, None)
