"""Write openings into a generation of the read model, concurrently with other writers.

An entry is replaced by compare-and-set. A changed week is merged into the entry by its version, without other reads.
Where that isn't possible (see `openings.merge_weeks`), all weeks are read from the source of truth *after* the entry,
so the new entry is never older than the one it replaces.
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
from millrace_readmodel.openings import EMPTY_ENTRY, WeekItem, build_entry, merge_weeks, summarize_week
from millrace_readmodel.scripts import Call
from millrace_readmodel.zones import day_number, local_time, zone_number

ATTEMPTS: Final = 12


class OpeningsSource(Protocol):
    """Reads openings from the source of truth, strongly consistent."""

    async def openings(self, locations: Collection[tuple[str, str]]) -> list[list[WeekItem]]: ...


@dataclass(frozen=True, slots=True)
class Target:
    """A provider-location and the `weeks` to merge into its openings; None: all, read from the source of truth."""

    npi: str
    location_id: str
    zone: int
    partition: Partition
    weeks: Sequence[WeekItem] | None

    @property
    def row(self) -> int:
        return layout.row_id(self.location_id)


def target_for(card: StoredCard, weeks: Sequence[WeekItem] | None = None) -> Target:
    """Return the instruction to write these weeks, or all known ones for None, to the openings of a card's row."""
    return Target(card.npi, card.id, zone_number(card.time_zone), partition_of(card), weeks)


class OpeningsWriter:
    """Merges weeks into the openings of a generation, or rewrites them from the source of truth.

    Methods raise redis-py's `RedisError`, the errors of `source`, and `ContentionError`; they are safe to repeat.
    """

    def __init__(
        self, redis: Redis, source: OpeningsSource, *, now: Callable[[], float] = time.time, attempts: int = ATTEMPTS
    ) -> None:
        """`now` returns Unix seconds; an entry begins with the current local day of its location."""
        self._redis = redis
        self._source = source
        self._now = now
        self._attempts = attempts

    async def merge(self, generation: int, weeks: Iterable[WeekItem]) -> set[str]:
        """Merge these weeks of openings; return the NPIs of providers with missing cards, for the caller to write."""
        by_location: dict[str, list[WeekItem]] = defaultdict(list)
        for week in weeks:
            by_location[week.location_id].append(week)
        absent: set[str] = set()

        async def write(pending: Collection[str]) -> Collection[str]:
            cards = await self._read_cards(generation, pending)
            absent.update(by_location[each][0].npi for each in pending if each not in cards)
            targets = [target_for(card, by_location[each]) for each, card in cards.items()]
            return await self._attempt(generation, targets)

        await scripts.write_until_done(by_location, write, attempts=self._attempts, kind="locations (openings)")
        return absent

    async def refresh(self, generation: int, targets: Sequence[Target]) -> None:
        """Rewrite openings from the source of truth; skip rows that another writer has moved or removed."""
        by_location = {target.location_id: target for target in targets}

        async def write(pending: Collection[str]) -> Collection[str]:
            return await self._attempt(generation, [by_location[each] for each in pending], retry_missing=False)

        await scripts.write_until_done(by_location, write, attempts=self._attempts, kind="locations (openings)")

    async def _read_cards(self, generation: int, ids: Collection[str]) -> dict[str, StoredCard]:
        found = await self._redis.mget([layout.card_key(generation, layout.row_id(each)) for each in ids])
        values = cast(list[bytes | None], found)
        cards = zip(ids, map(decode_card, values), strict=True)
        return {each: card for each, card in cards if card is not None}

    async def _attempt(self, generation: int, targets: Sequence[Target], *, retry_missing: bool = True) -> list[str]:
        """Try the write once; return the location ids to retry, including those without a row if `retry_missing`."""
        entries = await read_entries(self._redis, generation, {each.row: each.partition for each in targets})
        present = [each for each in targets if entries[each.row] is not None]
        entries_to_write = await self._new_entries(present, entries)
        changed = [each for each in present if entries_to_write[each.row] != (entries[each.row] or EMPTY_ENTRY)]
        calls = [
            Call(
                scripts.PUT_OPENINGS,
                partition_keys(generation, each.partition),
                (scripts.pack_id(each.row), entries[each.row] or b"", entries_to_write[each.row]),
            )
            for each in changed
        ]
        written = await scripts.run(self._redis, calls)
        lost = [each.location_id for each, done in zip(changed, written, strict=True) if not done]
        return lost + [each.location_id for each in targets if retry_missing and entries[each.row] is None]

    async def _new_entries(self, targets: Sequence[Target], entries: Mapping[int, bytes | None]) -> dict[int, bytes]:
        """Return the new entry of each row."""
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
            found[each.row] = build_entry_from_items(each.row, each.zone, self._today(each.zone), items)
        return found

    def _merged(self, target: Target, entry: bytes | None) -> bytes | None:
        if target.weeks is None or not entry:
            return None
        weeks = [summarize_week(item, target.zone) for item in target.weeks]
        return merge_weeks(entry, target.row, target.zone, self._today(target.zone), weeks)

    def _today(self, zone: int) -> int:
        return day_number(local_time(self._now(), zone))


def build_entry_from_items(row: int, zone: int, today: int, items: Sequence[WeekItem]) -> bytes:
    """Return the openings entry from today on, given all weeks of a provider-location; `EMPTY_ENTRY` without weeks."""
    return build_entry(row, zone, today, [summarize_week(item, zone) for item in items]) if items else EMPTY_ENTRY


async def read_entries(redis: Redis, generation: int, rows: Mapping[int, Partition]) -> dict[int, bytes | None]:
    """Return the openings entry by row id: empty bytes for a row without openings, None for an unknown row."""
    by_partition: dict[Partition, list[int]] = defaultdict(list)
    for row, partition in rows.items():
        by_partition[partition].append(row)
    calls = [
        Call(scripts.GET_OPENINGS, partition_keys(generation, partition), tuple(map(scripts.pack_id, each)))
        for partition, each in by_partition.items()
    ]
    results = await scripts.run(redis, calls)
    return {
        row: entry
        for each, entries in zip(by_partition.values(), results, strict=True)
        for row, entry in zip(each, entries, strict=True)
    }


def partition_keys(generation: int, partition: Partition) -> tuple[str, str]:
    """Return the Redis keys of a partition and of its openings."""
    specialty, cell = partition.specialty, partition.cell
    return layout.partition_key(generation, specialty, cell), layout.openings_key(generation, specialty, cell)
