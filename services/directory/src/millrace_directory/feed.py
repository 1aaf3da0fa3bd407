"""The directory's events: its entities as they stand, told in the transaction of the change."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from millrace_directory.events import Action, Key
from millrace_directory.wire import E, Kind, Row, Written, by_keys
from millrace_feeds.clock import Clock
from millrace_platform.ids import EventIds
from millrace_platform.statements import fetch, first
from millrace_platform.unit_of_work import Envelopes, Event, UnitOfWork

SOURCE = "/services/directory"
CHUNK = 1_000
"""Rows that are read and encoded at a time: what a change of very many rows holds in memory."""


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one kind that reached a new version."""

    kind: Kind[Any]
    keys: Sequence[Key]
    action: Action


def directory_envelopes(clock: Clock, ids: EventIds) -> Envelopes:
    """What puts events into envelopes with the directory as their source."""
    return Envelopes(SOURCE, clock, ids)


def events_of(kind: Kind[Any], rows: Iterable[Row], action: Action = Action.UPDATED) -> Iterator[Event]:
    """The events of rows of the kind's `query`. A tombstone's event is a deletion, whatever the action is."""
    name, schema = kind.contract.name, kind.contract.dataschema
    for written in map(kind.written, rows):
        verb = Action.DELETED if written.deleted else action
        yield Event(name, schema, written.subject, verb, written.version, written.data)


async def record_rows(work: UnitOfWork, change: Change) -> None:
    """Publish the events of changed rows with the commit of `work`, a chunk at a time to bound the memory."""
    for start in range(0, len(change.keys), CHUNK):
        rows = await fetch(work.session, by_keys(change.kind), change.keys[start : start + CHUNK])
        work.record(*events_of(change.kind, rows, change.action))
        await work.flush()


async def record_row(work: UnitOfWork, kind: Kind[E], key: Key, action: Action) -> Written[E]:
    """Publish the event of one changed row with the commit of `work`; return the row."""
    row = await first(work.session, by_keys(kind), [key])
    work.record(*events_of(kind, [row], action))
    return kind.written(row)
