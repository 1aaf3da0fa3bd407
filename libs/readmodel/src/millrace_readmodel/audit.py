"""Compare a generation of the read model with the source of truth and report each missing, extra or different entry.

The two are not read at the same moment, so a concurrent change can appear as a difference; a second audit doesn't
report it again.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

import msgspec
import numpy as np
import numpy.typing as npt
from redis.asyncio import Redis

from millrace_readmodel import layout
from millrace_readmodel.bulk import batches
from millrace_readmodel.cards import (
    Card,
    StoredCard,
    build_cards,
    card_content,
    card_version,
    decode_card,
    encode_card,
    encode_name_entry,
    encode_row,
    to_stored_card,
)
from millrace_readmodel.changes import partition_of
from millrace_readmodel.items import PLAN_PREFIX, PROVIDER_PREFIX, Item, build_collection, encode_plan, plan_from_item
from millrace_readmodel.openings import EMPTY_ENTRY, WeekItem, unpack_entry
from millrace_readmodel.openings_writer import build_entry_from_items, read_entries
from millrace_readmodel.zones import zone_number

KEYS_PER_BATCH: Final = 500
SCAN_COUNT: Final = 2_000


class DifferenceKind(Enum):
    """How an entry differs from the source of truth."""

    MISSING = "missing"
    EXTRA = "extra"
    VERSION = "version"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Difference:
    """A wrong, missing or extra entry in the named `store`. `subject` is the entity's subject or the Redis key."""

    store: str
    kind: DifferenceKind
    subject: str
    detail: str = ""


class Audit:
    """Compares one generation with the source of truth: call `start`, `check` with every part of it, then `finish`.

    `report` is called for each difference; `checked` counts the compared entries by store.
    """

    def __init__(self, redis: Redis, generation: int, report: Callable[[Difference], None]) -> None:
        self._redis = redis
        self._generation = generation
        self._report = report
        self._plan_sets: dict[tuple[str, ...], int] = {}
        self._subjects: dict[int, str] = {}
        self._bookable: set[int] = set()
        self._plans: dict[bytes, bytes] = {}
        self._partitions: dict[str, bytearray] = defaultdict(bytearray)
        self._names: dict[str, bytearray] = defaultdict(bytearray)
        self.checked: Counter[str] = Counter()

    async def start(self) -> None:
        """Read the distinct sets of accepted plans; report those for which the index (digest to number) is wrong."""
        listed = await self._redis.lrange(layout.plan_sets_key(self._generation), 0, -1)
        sets = [tuple(plans.decode().split()) for plans in cast(list[bytes], listed)]
        index = cast(dict[bytes, bytes], await self._redis.hgetall(layout.plan_set_index_key(self._generation)))
        for number, plans in enumerate(sets):
            self._plan_sets.setdefault(plans, number)
            if index.pop(layout.plan_set_digest(plans), None) != b"%d" % number:
                self._record("plan sets", DifferenceKind.CONTENT, f"plan set {number}", "the index has another number")
        for unlisted in index.values():
            self._record(
                "plan sets", DifferenceKind.EXTRA, f"plan set {unlisted.decode()}", "only the index contains it"
            )
        if not sets or sets[0]:
            self._record("plan sets", DifferenceKind.MISSING, "plan set 0", "the first plan set must be empty")
        self.checked["plan sets"] = len(sets)

    async def check(self, partitions: list[list[Item]]) -> None:
        """Compare cards and openings with these items (a list per partition key); collect the rest for `finish`."""
        expected: list[StoredCard] = []
        weeks: dict[int, Sequence[WeekItem]] = {}
        for items in partitions:
            pk = items[0].pk
            if pk.startswith(PROVIDER_PREFIX):
                collection = build_collection(pk.removeprefix(PROVIDER_PREFIX), items)
                cards = [*filter(None, map(self._to_stored, build_cards(collection)))]
                expected += cards
                weeks |= {card.row: collection.weeks[card.id] for card in cards if card.id in collection.weeks}
            elif pk.startswith(PLAN_PREFIX) and items[0].data is not None:
                plan = plan_from_item(items[0])
                self._plans[plan.id.encode()] = encode_plan(plan)
        for batch in batches(expected, KEYS_PER_BATCH):
            found = await self._redis.mget([layout.card_key(self._generation, card.row) for card in batch])
            for card, value in zip(batch, cast(list[bytes | None], found), strict=True):
                self._collect_expected(card)
                self._check_card(card, value)
            await self._check_openings([card for card in batch if card.row in weeks], weeks)

    async def finish(self) -> None:
        """Compare rows, names and plans with the collected ones, and report entries that the source of truth lacks."""
        await self._check_keys()
        members = await self._redis.smembers(layout.words_key(self._generation))
        words = {word.decode() for word in cast(set[bytes], members)}
        for word in words ^ self._names.keys():
            self._record("words", DifferenceKind.EXTRA if word in words else DifferenceKind.MISSING, word)
        self.checked["words"] = len(self._names)
        await self._check_plans()

    def _to_stored(self, card: Card) -> StoredCard | None:
        number = self._plan_sets.get(card.plans)
        if number is None:
            self._record("plan sets", DifferenceKind.MISSING, _subject(card.npi, card.id), " ".join(card.plans))
            return None
        return to_stored_card(card, number)

    def _collect_expected(self, card: StoredCard) -> None:
        self._subjects[card.row] = _subject(card.npi, card.id)
        self._partitions[layout.partition_key(self._generation, card.specialty, card.cell)] += encode_row(card)
        entry = encode_name_entry(card)
        for word in card.words:
            self._names[word] += entry

    def _check_card(self, card: StoredCard, value: bytes | None) -> None:
        self.checked["cards"] += 1
        if card_content(value) == card_content(encode_card(card)) and card_version(value) == card.version:
            return
        subject = _subject(card.npi, card.id)
        try:
            found = decode_card(value)
        except msgspec.DecodeError as error:
            self._record("cards", DifferenceKind.CONTENT, subject, str(error))
            return
        if found is None:
            self._record("cards", DifferenceKind.MISSING, subject)
        elif found.version != card.version:
            self._record("cards", DifferenceKind.VERSION, subject, f"version {found.version}, not {card.version}")
        else:
            fields = [name for name in card.__struct_fields__ if getattr(found, name) != getattr(card, name)]
            self._record("cards", DifferenceKind.CONTENT, subject, ", ".join(fields) or "the bytes")

    async def _check_openings(self, cards: Sequence[StoredCard], weeks: Mapping[int, Sequence[WeekItem]]) -> None:
        """Report stored openings that differ from the source of truth, from the first day that they cover."""
        found = await read_entries(self._redis, self._generation, {card.row: partition_of(card) for card in cards})
        for card in cards:
            self.checked["openings"] += 1
            self._bookable.add(card.row)
            entry, zone = found[card.row], zone_number(card.time_zone)
            since = unpack_entry(entry).since if entry else 0
            if not since:
                self._record("openings", DifferenceKind.MISSING, _subject(card.npi, card.id))
            elif entry != build_entry_from_items(card.row, zone, since, weeks[card.row]):
                self._record("openings", DifferenceKind.CONTENT, _subject(card.npi, card.id))

    async def _check_columns(self, keys: Sequence[bytes]) -> None:
        """Report openings entries at the position of another row or of rows without openings in the source of truth."""
        for key in keys:
            specialty, cell = layout.parse_partition_key(key.decode())
            read = await self._redis.mget(layout.partition_key(self._generation, specialty, cell), key)
            rows, value = cast(list[bytes | None], read)
            ids = np.frombuffer(rows or b"", layout.ROW, len(rows or b"") // layout.ROW.itemsize)["id"].tolist()
            if len(value or b"") % len(EMPTY_ENTRY) or len(value or b"") // len(EMPTY_ENTRY) > len(ids):
                self._record(
                    "openings", DifferenceKind.CONTENT, key.decode(), "more entries than rows, or an incomplete entry"
                )
                continue
            for row, entry in zip(ids, np.frombuffer(value or b"", layout.OPENINGS), strict=False):
                subject = self._subjects.get(row, f"{row:016x}")
                if entry["since"] and entry["check"] != row & 0xFFFF:
                    self._record("openings", DifferenceKind.CONTENT, subject, "belongs to another row")
                elif entry["planes"].any() and row not in self._bookable:
                    self._record("openings", DifferenceKind.EXTRA, subject)

    async def _check_keys(self) -> None:
        """Scan all keys: report extra cards, compare rows, openings and name entries."""
        cards, rows, names = (f"{self._generation}:{kind}:".encode() for kind in "cpn")
        expected_rows = dict(self._partitions)
        expected_names = {layout.name_key(self._generation, word): each for word, each in self._names.items()}
        columns = f"{self._generation}:o:".encode()
        async for keys in self._keys(f"{self._generation}:[cpno]:*"):
            await self._check_columns([key for key in keys if key.startswith(columns)])
            await self._check_unknown_cards(cards, [key for key in keys if key.startswith(cards)])
            await self._check_strings("rows", (key for key in keys if key.startswith(rows)), expected_rows, layout.ROW)
            await self._check_strings(
                "names", (key for key in keys if key.startswith(names)), expected_names, layout.NAME_ENTRY
            )
        for store, left, dtype in (("rows", expected_rows, layout.ROW), ("names", expected_names, layout.NAME_ENTRY)):
            for name, entries in left.items():
                self._check_entries(store, name, b"", bytes(entries), dtype)

    async def _check_unknown_cards(self, prefix: bytes, keys: list[bytes]) -> None:
        """Report cards without a provider-location, except values that contain only the version of a removed card."""
        unknown = [key for key in keys if int.from_bytes(key[len(prefix) :], "little") not in self._subjects]
        for batch in batches(unknown, KEYS_PER_BATCH):
            values = cast(list[bytes | None], await self._redis.mget(batch))
            for key, value in zip(batch, values, strict=True):
                if card_content(value):
                    self._record("cards", DifferenceKind.EXTRA, key[len(prefix) :].hex(), "no such provider-location")

    async def _keys(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """Yield all keys of a pattern in batches, without the duplicates that SCAN can return."""
        cursor = 0
        seen: set[bytes] = set()
        while True:
            cursor, found = await self._redis.scan(cursor, match=pattern, count=SCAN_COUNT)
            keys = [key for key in cast(list[bytes], found) if key not in seen]
            seen.update(keys)
            yield keys
            if cursor == 0:
                return

    async def _check_strings(
        self, store: str, keys: Iterable[bytes], expected: dict[str, bytearray], dtype: "np.dtype[np.void]"
    ) -> None:
        for batch in batches(keys, KEYS_PER_BATCH):
            values = cast(list[bytes | None], await self._redis.mget(batch))
            for name, value in zip([key.decode() for key in batch], values, strict=True):
                self._check_entries(store, name, value or b"", bytes(expected.pop(name, b"")), dtype)

    def _check_entries(self, store: str, key: str, found: bytes, expected: bytes, dtype: "np.dtype[np.void]") -> None:
        """Compare a string of fixed-width entries with the expected entries, regardless of their order."""
        self.checked[store] += len(expected) // dtype.itemsize
        if len(found) % dtype.itemsize:
            self._record(store, DifferenceKind.CONTENT, key, f"{len(found)} bytes are not a whole number of entries")
            return
        has, should = np.frombuffer(found, dtype), np.frombuffer(expected, dtype)
        if np.array_equal(np.sort(has, order="id"), np.sort(should, order="id")):
            return
        self._compare(store, key, _by_id(has), _by_id(should))

    def _compare(self, store: str, key: str, has: dict[int, list[np.void]], should: dict[int, list[np.void]]) -> None:
        for number in has.keys() | should.keys():
            found, expected = has.get(number, []), should.get(number, [])
            subject = self._subjects.get(number, f"{number:016x}")
            if len(found) > len(expected):
                self._record(store, DifferenceKind.EXTRA, subject, key)
            elif not found:
                self._record(store, DifferenceKind.MISSING, subject, key)
            elif found != expected:
                fields = _unequal(found[0], expected[0])
                kind = DifferenceKind.VERSION if "version" in fields else DifferenceKind.CONTENT
                self._record(store, kind, subject, f"{', '.join(fields)} in {key}")

    async def _check_plans(self) -> None:
        found = cast(dict[bytes, bytes], await self._redis.hgetall(layout.plans_key(self._generation)))
        self.checked["plans"] = len(self._plans)
        for plan in found.keys() | self._plans.keys():
            has, should = found.get(plan), self._plans.get(plan)
            if has == should:
                continue
            subject = f"insurance-plan/{plan.decode()}"
            if has is None or should is None:
                self._record("plans", DifferenceKind.MISSING if has is None else DifferenceKind.EXTRA, subject)
            else:
                self._record(
                    "plans", DifferenceKind.CONTENT if has[:8] == should[:8] else DifferenceKind.VERSION, subject
                )

    def _record(self, store: str, kind: DifferenceKind, subject: str, detail: str = "") -> None:
        self._report(Difference(store, kind, subject, detail))


def _subject(npi: str, provider_location_id: str) -> str:
    return f"provider-location/{npi}/{provider_location_id}"


def _by_id(entries: npt.NDArray[np.void]) -> dict[int, list[np.void]]:
    grouped: dict[int, list[np.void]] = defaultdict(list)
    for entry in entries:
        grouped[int(entry["id"])].append(entry)
    return grouped


def _unequal(found: np.void, expected: np.void) -> Sequence[str]:
    return [name for name in found.dtype.names or () if found[name] != expected[name]]
