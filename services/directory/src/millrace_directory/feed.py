"""Events of changed rows. Each contains the whole entity, and is published by the transaction of the change."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from millrace_directory.model import Action, Key
from millrace_directory.wire import Kind, VersionedEntity, query_by_keys
from millrace_feeds.clock import Clock
from millrace_platform.ids import EventIds
from millrace_platform.statements import fetch
from millrace_platform.unit_of_work import Envelopes, Event, UnitOfWork

SOURCE = "/services/directory"
CHUNK_ROWS = 1_000
"""Number of rows that are read and encoded at a time, to limit the memory for a change of very many rows."""


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one kind that got a new version: their keys, and what happened to them."""

    kind: Kind[Any]
    keys: Sequence[Key]
    action: Action


def directory_envelopes(clock: Clock, ids: EventIds) -> Envelopes:
    """Return a factory of event envelopes whose source is the directory."""
    return Envelopes(SOURCE, clock, ids)


def events_of(
    kind: Kind[Any], entities: Iterable[VersionedEntity[Any]], action: Action = Action.UPDATED
) -> Iterator[Event]:
    """Yield an event for each entity of a kind: a deletion for a tombstone, else `action`."""
    name, schema = kind.contract.name, kind.contract.dataschema
    for each in entities:
        verb = Action.DELETED if each.deleted else action
        yield Event(name, schema, each.subject, verb, each.version, each.data)


async def record_change(work: UnitOfWork, change: Change) -> None:
    """Publish the events of changed rows when `work` commits; read the rows in chunks to limit the memory."""
    for start in range(0, len(change.keys), CHUNK_ROWS):
        rows = await fetch(work.session, query_by_keys(change.kind), change.keys[start : start + CHUNK_ROWS])
        work.record(*events_of(change.kind, map(change.kind.versioned, rows), change.action))
        await work.flush()
