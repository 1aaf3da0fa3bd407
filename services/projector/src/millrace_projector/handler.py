"""Apply the records of `entities` first to the source of truth, then from there to the read model."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Protocol

from redis.exceptions import BusyLoadingError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.handler import is_outage
from millrace_feeds.transport import Record
from millrace_projector.as_of import AsOfTracker
from millrace_projector.tracing import Projection
from millrace_readmodel.generations import GenerationTimeoutError
from millrace_readmodel.items import AVAILABILITY_PREFIX, Item, item_from_event, week_item
from millrace_readmodel.openings import WeekItem
from millrace_readmodel.scripts import ContentionError
from millrace_readmodel.truth import TruthBusyError

UNAVAILABLE_ERRORS: Final = (
    GenerationTimeoutError,
    BusyLoadingError,
    ContentionError,
    ReadOnlyError,
    RedisConnectionError,
    RedisTimeoutError,
    TruthBusyError,
)


class Truth(Protocol):
    async def put(self, items: Iterable[Item]) -> int:
        """Write the items that are newer than the stored ones; return the number of items written."""


class ReadModel(Protocol):
    async def apply(self, aggregates: Collection[str], weeks: Sequence[WeekItem]) -> None:
        """Read the items of these partition keys from the source of truth and write their cards; write these weeks
        of openings.
        """


class Projector:
    """Handles a consumer's records. Calls `on_skipped` with the number of items skipped because they were not newer."""

    def __init__(
        self,
        truth: Truth,
        read_model: ReadModel,
        as_of: AsOfTracker,
        *,
        on_skipped: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._truth = truth
        self._read_model = read_model
        self._as_of = as_of
        self._on_skipped = on_skipped

    async def handle(self, records: Sequence[Record]) -> None:
        """Apply records to the source of truth and the read model; return once both have their state or a newer one.

        While no generation is served, only the one being built is written. The read model is written even if the source
        of truth already had the items, because a previous attempt may have failed between the two writes. Raises
        `InvalidRecord` for a record that can't be decoded, and the errors of both stores.
        """
        events = [_decode(record) for record in records]
        items = [item for _, item in events if item is not None]
        with self._as_of.applying(records), Projection([envelope for envelope, _ in events]) as projection:
            written = await self._truth.put(items)
            self._on_skipped(len(items) - written)
            with projection.writing():
                await self._read_model.apply(*_split_changes(items))


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
