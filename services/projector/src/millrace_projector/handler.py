"""Apply the records of `entities` first to the source of truth, then from there to the read model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from redis.exceptions import BusyLoadingError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.handler import is_outage
from millrace_feeds.transport import Record
from millrace_projector.as_of import AsOfTracker
from millrace_projector.tracing import trace_projection, trace_write
from millrace_readmodel.generations import GenerationTimeoutError, ReadModel
from millrace_readmodel.items import AVAILABILITY_PREFIX, Item, item_from_event, week_item
from millrace_readmodel.openings import WeekItem
from millrace_readmodel.scripts import ContentionError
from millrace_readmodel.truth import Truth, TruthBusyError

UNAVAILABLE_ERRORS: Final = (
    GenerationTimeoutError,
    BusyLoadingError,
    ContentionError,
    ReadOnlyError,
    RedisConnectionError,
    RedisTimeoutError,
    TruthBusyError,
)


@dataclass(slots=True)
class Projector:
    """Handles a consumer's records. `skipped` counts the events that weren't newer than the source of truth."""

    truth: Truth
    read_model: ReadModel
    as_of: AsOfTracker
    skipped: int = field(default=0, init=False)

    async def handle(self, records: Sequence[Record]) -> None:
        """Apply records to the source of truth and the read model; return once both have their state or a newer one.

        While searches have no read model, only the one that a rebuild creates is written. Writes the read model even if
        the source of truth already had the items, because a previous attempt may have failed between the two writes.
        Raises `InvalidRecord` for a record that can't be decoded, and the errors of both stores.
        """
        events = [_decode(record) for record in records]
        items = [item for _, item in events if item is not None]
        with self.as_of.applying(records), trace_projection(envelope for envelope, _ in events) as spans:
            self.skipped += len(items) - await self.truth.put(items)
            with trace_write(spans):
                await self.read_model.apply(*_split_changes(items))


def is_unavailable(error: BaseException) -> bool:
    """Return whether the error means that a store is temporarily unavailable, not that a record can't be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_unavailable(inner) for inner in error.exceptions)
    return isinstance(error, UNAVAILABLE_ERRORS) or is_outage(error)


def _split_changes(items: Iterable[Item]) -> tuple[list[str], list[WeekItem]]:
    """Return the partition keys of changed items other than openings, and the changed weeks of openings."""
    aggregates: dict[str, None] = {}
    weeks: list[WeekItem] = []
    for item in items:
        if item.sk.startswith(AVAILABILITY_PREFIX):
            weeks.append(week_item(item))
        else:
            aggregates[item.pk] = None
    return list(aggregates), weeks


def _decode(record: Record) -> tuple[Envelope, Item | None]:
    try:
        envelope = decode(record.body)
        return envelope, item_from_event(envelope)
    except ContractError as error:
        raise InvalidRecord(record, str(error)) from error
