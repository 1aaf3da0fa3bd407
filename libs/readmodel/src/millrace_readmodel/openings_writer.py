"""Writes openings into a generation of the read model, beside other writers of the same ones.

An entry is replaced by compare-and-set. A week that changed is merged into it by its version, which needs nothing else;
where that doesn't do (see `openings.merged`) all weeks are read from the truth *after* the entry was, so that what is
written is never older than what it replaces.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from redis.asyncio import Redis

from millrace_readmodel import layout, scripts
from millrace_readmodel.cards import StoredCard, decode_card
from millrace_readmodel.changes import Partition, partition_of
from millrace_readmodel.errors import ContentionError
from millrace_readmodel.openings import NOTHING, WeekItem, entry_of, merged, week_of
from millrace_readmodel.scripts import Call
from millrace_readmodel.zones import day_of, local, zone_number

ATTEMPTS: Final = 12
_WIDTH: Final = 8


class Source(Protocol):
    """The truth as openings are read from it, strongly consistent."""

    async def openings(self, locations: Collection[tuple[str, str]]) -> list[list[WeekItem]]: ...


@dataclass(frozen=True, slots=True)
class Target:
    """A row and the weeks to merge into its openings; None: all are to be read from the truth."""

    npi: str
    location_id: str
    zone: int
    partition: Partition
    weeks: Sequence[WeekItem] | None

    @property
    def row(self) -> int:
        return layout.row_id(self.location_id)


def target(card: StoredCard, weeks: Sequence[WeekItem] | None = None) -> Target:
    """The row of a card."""
    return Target(card.npi, card.id, zone_number(card.time_zone), partition_of(card), weeks)


class OpeningsWriter:
    """Raises redis-py's `RedisError`, what `source` raises, and `ContentionError`; repeating is harmless."""

    def __init__(
        self, redis: Redis, source: Source, *, now: Callable[[], float] = time.time, attempts: int = ATTEMPTS
    ) -> None:
        """`now` in unix seconds: an entry begins with the day that it is at the place."""
        self._redis = redis
        self._source = source
        self._now = now
        self._attempts = attempts

    async def merge(self, generation: int, weeks: Iterable[WeekItem]) -> set[str]:
        """Bring these weeks in. Returns the NPIs of those without a card: who makes it writes their openings, too."""
        pending: dict[str, list[WeekItem]] = defaultdict(list)
        for week in weeks:
            pending[week.location_id].append(week)
        absent: set[str] = set()
        for _ in range(self._attempts):
            if not pending:
                return absent
            cards = await self._cards(generation, list(pending))
            absent |= {weeks[0].npi for each, weeks in pending.items() if each not in cards}
            lost = await self._attempt(generation, [target(card, pending[each]) for each, card in cards.items()])
            pending = {each.location_id: pending[each.location_id] for each in lost}
        if pending:
            raise ContentionError(f"openings of {len(pending)} provider-locations, {next(iter(pending))} among them")
        return absent

    async def refresh(self, generation: int, targets: Sequence[Target]) -> None:
        """Write what the truth says now. Whoever moved or removed a row meanwhile will see to it himself."""
        pending = list(targets)
        for _ in range(self._attempts):
            if not pending:
                return
            pending = await self._attempt(generation, pending, gone=False)
        if pending:
            raise ContentionError(f"openings of {len(pending)} provider-locations, {pending[0].location_id} among them")

    async def _cards(self, generation: int, ids: Sequence[str]) -> dict[str, StoredCard]:
        found = await self._redis.mget([layout.card_key(generation, layout.row_id(each)) for each in ids])
        values = cast(list[bytes | None], found)
        cards = zip(ids, map(decode_card, values), strict=True)
        return {each: card for each, card in cards if card is not None}

    async def _attempt(self, generation: int, targets: Sequence[Target], *, gone: bool = True) -> list[Target]:
        """Write once; returns what must be tried again, with `gone` those as well whose row isn't there."""
        entries = await entries_of(self._redis, generation, {each.row: each.partition for each in targets})
        present = [each for each in targets if entries[each.row] is not None]
        wanted = await self._wanted(present, entries)
        changed = [each for each in present if wanted[each.row] != (entries[each.row] or NOTHING)]
        calls = [
            Call(
                scripts.PUT_OPENINGS,
                _keys(generation, each.partition),
                (_packed(each.row), entries[each.row] or b"", wanted[each.row]),
            )
            for each in changed
        ]
        written = await scripts.run(self._redis, calls)
        lost = [each for each, done in zip(changed, written, strict=True) if not done]
        return lost + [each for each in targets if gone and entries[each.row] is None]

    async def _wanted(self, targets: Sequence[Target], entries: Mapping[int, bytes | None]) -> dict[int, bytes]:
        """The new entries, by row."""
        found: dict[int, bytes] = {}
        unknown: list[Target] = []
        for each in targets:
            entry = self._merged(each, entries[each.row])
            if entry is None:
                unknown.append(each)
            else:
                found[each.row] = entry
        weeks = await self._source.openings([(each.npi, each.location_id) for each in unknown]) if unknown else []
        for each, items in zip(unknown, weeks, strict=True):
            found[each.row] = fresh_entry(each.row, each.zone, self._today(each.zone), items)
        return found

    def _merged(self, target: Target, entry: bytes | None) -> bytes | None:
        if target.weeks is None or not entry:
            return None
        weeks = [week_of(item, target.zone) for item in target.weeks]
        return merged(entry, target.row, target.zone, self._today(target.zone), weeks)

    def _today(self, zone: int) -> int:
        return day_of(local(self._now(), zone))


def fresh_entry(row: int, zone: int, today: int, items: Sequence[WeekItem]) -> bytes:
    """All that these weeks, which are all there are, say from today on; `NOTHING` where there are none."""
    return entry_of(row, zone, today, [week_of(item, zone) for item in items]) if items else NOTHING


async def entries_of(redis: Redis, generation: int, rows: Mapping[int, Partition]) -> dict[int, bytes | None]:
    """The entries of these rows: empty where a row has none, None where there is no such row."""
    by_partition: dict[Partition, list[int]] = defaultdict(list)
    for row, partition in rows.items():
        by_partition[partition].append(row)
    calls = [
        Call(scripts.OPENINGS_OF, _keys(generation, partition), tuple(map(_packed, each)))
        for partition, each in by_partition.items()
    ]
    results = await scripts.run(redis, calls)
    return {
        row: entry
        for each, entries in zip(by_partition.values(), results, strict=True)
        for row, entry in zip(each, entries, strict=True)
    }


def _keys(generation: int, partition: Partition) -> tuple[str, str]:
    place = partition.specialty, partition.cell
    return layout.partition_key(generation, *place), layout.openings_key(generation, *place)


def _packed(number: int) -> bytes:
    return number.to_bytes(_WIDTH, "little")
