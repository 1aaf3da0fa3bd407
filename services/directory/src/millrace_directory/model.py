"""Base classes of aggregates: their states, which contain the rules, and their domain events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Self, TypeAlias, TypeVar
from uuid import UUID

from millrace_directory.rules import Violation

Key: TypeAlias = UUID | str
"""Primary key of an aggregate: a UUID, an NPI or a plan id."""


class Action(StrEnum):
    """Cause of a new version; the last word of the event's type on the feed."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class DomainEvent:
    """Base class of domain events: changes of an aggregate (with this `key`) that affect other aggregates."""

    key: Key


class State:
    """The whole state of an aggregate. Subclasses are frozen dataclasses whose fields are their table's columns."""

    __slots__ = ()

    identity: ClassVar[tuple[str, ...]] = ("id",)
    """Fields that never change; the first one is the primary key."""

    @property
    def key(self) -> Key:
        key: Key = getattr(self, self.identity[0])
        return key

    def violations(self) -> Iterator[Violation]:
        """Yield the violations of rules that depend on this state alone, not on other rows."""
        yield from ()

    def domain_events(self, after: Self | None) -> Iterator[DomainEvent]:  # noqa: ARG002 # for overriders
        """Yield the domain events of replacing this state with `after`, or of deleting it if `after` is None."""
        yield from ()

    def identity_violations(self, after: Self) -> Iterator[Violation]:
        """Yield a violation for each field of `identity` whose value in `after` is different."""
        for field in self.identity:
            if getattr(self, field) != getattr(after, field):
                yield Violation(
                    field,
                    "The value can't be changed.",
                    "Send the current value. For another value, create a new resource and delete this one.",
                )

    def reserved_violations(self, after: Self, reserved: Iterable[str]) -> Iterator[Violation]:
        """Yield a violation for each `reserved` field, which only administrators can change, that `after` changes."""
        for field in reserved:
            if getattr(self, field) != getattr(after, field):
                yield Violation(field, "Only an administrator can change this field.", "Send the current value.")


S = TypeVar("S", bound=State)
