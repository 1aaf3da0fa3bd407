"""Applies the records of `entities`: first to the truth, then from the truth to the read model."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Protocol

from redis.exceptions import BusyLoadingError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from millrace_contracts.envelope import ContractError, Envelope, decode
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.handler import is_outage
from millrace_feeds.transport import Record
from millrace_projector.as_of import AsOf
from millrace_projector.tracing import Projection
from millrace_readmodel.errors import ContentionError
from millrace_readmodel.generations import AbsentError
from millrace_readmodel.items import AVAILABILITY_PREFIX, Item, item_of, week_item
from millrace_readmodel.openings import WeekItem
from millrace_readmodel.truth import TruthBusyError

AWAY: Final = (
    AbsentError,
    BusyLoadingError,
    ContentionError,
    ReadOnlyError,
    RedisConnectionError,
    RedisTimeoutError,
    TruthBusyError,
)


class Truth(Protocol):
    async def put(self, items: Iterable[Item]) -> int:
        """Write what is newer than what is there; returns how many items that were."""


class ReadModel(Protocol):
    async def apply(self, aggregates: Collection[str], weeks: Sequence[WeekItem]) -> None:
        """Bring these partition keys of the truth up to date, and these weeks of openings."""


class Projector:
    """A consumer's handler. `skipped` is told how many items were not newer than the truth."""

    def __init__(
        self, truth: Truth, read_model: ReadModel, as_of: AsOf, *, skipped: Callable[[int], None] = lambda _: None
    ) -> None:
        self._truth = truth
        self._read_model = read_model
        self._as_of = as_of
        self._skipped = skipped

    async def handle(self, records: Sequence[Record]) -> None:
        """Returns when truth and read model hold all records' states, or newer ones.

        While no read model is served yet, it is enough that the one being made will hold them. The read model is
        written even where the truth was not: a former attempt may have ended between the two.
        """
        events = [_event(record) for record in records]
        items = [item for _, item in events if item is not None]
        with self._as_of.applying(records), Projection([envelope for envelope, _ in events]) as projection:
            written = await self._truth.put(items)
            self._skipped(len(items) - written)
            with projection.writing():
                await self._read_model.apply(*_changed(items))


def is_away(error: BaseException) -> bool:
    """Whether a store can't be used now, as opposed to a record that can't be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_away(inner) for inner in error.exceptions)
    return isinstance(error, AWAY) or is_outage(error)


def _changed(items: Iterable[Item]) -> tuple[list[str], list[WeekItem]]:
    """Partition keys, and weeks of openings: these leave all else of their provider as it is."""
    aggregates: dict[str, None] = {}
    weeks: list[WeekItem] = []
    for item in items:
        if item.sk.startswith(AVAILABILITY_PREFIX):
            weeks.append(week_item(item))
        else:
            aggregates[item.pk] = None
    return list(aggregates), weeks


def _event(record: Record) -> tuple[Envelope, Item | None]:
    try:
        envelope = decode(record.body)
        return envelope, item_of(envelope)
    except ContractError as error:
        raise InvalidRecord(record, str(error)) from error
