"""What all aggregates are: a whole state, and the version that it has reached."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Generic, Self, TypeVar

from millrace_directory.events import Event, Key
from millrace_directory.rules import Violation


class State:
    """The whole state of an aggregate. Subclasses are frozen dataclasses whose fields are their table's columns."""

    __slots__ = ()

    identity: ClassVar[tuple[str, ...]] = ("id",)
    """Fields that never change; the first one is the key."""

    @property
    def key(self) -> Key:
        key: Key = getattr(self, self.identity[0])
        return key

    def violations(self) -> Iterator[Violation]:
        """The rules that this state breaks by itself, whatever else is stored."""
        yield from ()

    def consequences(self, after: Self | None) -> Iterator[Event]:  # noqa: ARG002 # for those who look at it
        """What concerns other aggregates when this state gives way to `after`, None when it is deleted."""
        yield from ()

    def identity_violations(self, after: Self) -> Iterator[Violation]:
        """What of the identity `after` tries to change."""
        for field in self.identity:
            if getattr(self, field) != getattr(after, field):
                yield Violation(
                    field,
                    f"It is {getattr(self, field)} here and can't be changed.",
                    "Send it as it is; for another one, create a resource of its own and delete this one.",
                )

    def reserved_violations(self, after: Self, reserved: Iterable[str]) -> Iterator[Violation]:
        """Which of the reserved fields `after` tries to change."""
        for field in reserved:
            if getattr(self, field) != getattr(after, field):
                yield Violation(field, "An administrator alone changes it.", "Send it as it is.")


S = TypeVar("S", bound=State)


@dataclass(frozen=True, slots=True)
class Stored(Generic[S]):
    """A state and its version, which rises by one with each commit and never falls. `deleted` marks a tombstone."""

    state: S
    version: int
    deleted: bool = False
