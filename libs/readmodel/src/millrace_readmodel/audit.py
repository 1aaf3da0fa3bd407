"""Compares a generation of the read model with the truth, key by key: nothing missing, nothing different, nothing more.

It sees a moment of each; what changes meanwhile may show as a difference that is gone the next time.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
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
    cards_of,
    content_of,
    decode_card,
    encode_card,
    name_entry_of,
    row_of,
    stored,
    version_of,
)
from millrace_readmodel.items import PLAN_PREFIX, PROVIDER_PREFIX, Item, collection_of, plan_of, plan_value

KEYS_AT_ONCE: Final = 500
SCANNED: Final = 2_000


class Kind(Enum):
    """How a store differs from what it is derived from."""

    MISSING = "missing"
    EXTRA = "extra"
    VERSION = "version"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in `store` that isn't as it should be. `subject` names the entity or the key."""

    store: str
    kind: Kind
    subject: str
    detail: str = ""


class Audit:
    """After `start`, feed it the truth with `check`, then `finish`. `checked` counts what was compared, by store."""

    def __init__(self, redis: Redis, generation: int, report: Callable[[Difference], None]) -> None:
        self._redis = redis
        self._generation = generation
        self._report = report
        self._plan_sets: dict[tuple[str, ...], int] = {}
        self._subjects: dict[int, str] = {}
        self._plans: dict[bytes, bytes] = {}
        self._partitions: dict[str, bytearray] = defaultdict(bytearray)
        self._names: dict[str, bytearray] = defaultdict(bytearray)
        self.checked: Counter[str] = Counter()

    async def start(self) -> None:
        """Read the plan sets, and check them against their index."""
        listed = await self._redis.lrange(layout.plan_sets_key(self._generation), 0, -1)
        sets = [tuple(plans.decode().split()) for plans in cast(list[bytes], listed)]
        index = cast(dict[bytes, bytes], await self._redis.hgetall(layout.plan_set_index_key(self._generation)))
        for number, plans in enumerate(sets):
            self._plan_sets.setdefault(plans, number)
            if index.pop(layout.plan_set_digest(plans), None) != b"%d" % number:
                self._differs("plan sets", Kind.CONTENT, f"plan set {number}", "the index doesn't lead to it")
        for unlisted in index.values():
            self._differs("plan sets", Kind.EXTRA, f"plan set {unlisted.decode()}", "only the index knows it")
        if not sets or sets[0]:
            self._differs("plan sets", Kind.MISSING, "plan set 0", "the first one must be the empty one")
        self.checked["plan sets"] = len(sets)

    async def check(self, partitions: list[list[Item]]) -> None:
        """Compare the cards of these providers; remember what rows, names and plans there should be."""
        expected: list[StoredCard] = []
        for items in partitions:
            pk = items[0].pk
            if pk.startswith(PROVIDER_PREFIX):
                cards = cards_of(collection_of(pk.removeprefix(PROVIDER_PREFIX), items))
                expected += filter(None, map(self._stored, cards))
            elif pk.startswith(PLAN_PREFIX) and items[0].data is not None:
                plan = plan_of(items[0])
                self._plans[plan.id.encode()] = plan_value(plan)
        for batch in batches(expected, KEYS_AT_ONCE):
            found = await self._redis.mget([layout.card_key(self._generation, card.row) for card in batch])
            for card, value in zip(batch, cast(list[bytes | None], found), strict=True):
                self._remember(card)
                self._check_card(card, value)

    async def finish(self) -> None:
        """Compare rows, names and plans, and look for what nothing in the truth accounts for."""
        await self._check_keys()
        members = await self._redis.smembers(layout.words_key(self._generation))
        words = {word.decode() for word in cast(set[bytes], members)}
        for word in words ^ self._names.keys():
            self._differs("words", Kind.EXTRA if word in words else Kind.MISSING, word)
        self.checked["words"] = len(self._names)
        await self._check_plans()

    def _stored(self, card: Card) -> StoredCard | None:
        number = self._plan_sets.get(card.plans)
        if number is None:
            self._differs("plan sets", Kind.MISSING, _subject(card.npi, card.id), " ".join(card.plans))
            return None
        return stored(card, number)

    def _remember(self, card: StoredCard) -> None:
        self._subjects[card.row] = _subject(card.npi, card.id)
        self._partitions[layout.partition_key(self._generation, card.specialty, card.cell)] += row_of(card)
        entry = name_entry_of(card)
        for word in card.words:
            self._names[word] += entry

    def _check_card(self, card: StoredCard, value: bytes | None) -> None:
        self.checked["cards"] += 1
        if content_of(value) == content_of(encode_card(card)) and version_of(value) == card.version:
            return
        subject = _subject(card.npi, card.id)
        try:
            found = decode_card(value)
        except msgspec.DecodeError as error:
            self._differs("cards", Kind.CONTENT, subject, str(error))
            return
        if found is None:
            self._differs("cards", Kind.MISSING, subject)
        elif found.version != card.version:
            self._differs("cards", Kind.VERSION, subject, f"version {found.version}, not {card.version}")
        else:
            fields = [name for name in card.__struct_fields__ if getattr(found, name) != getattr(card, name)]
            self._differs("cards", Kind.CONTENT, subject, ", ".join(fields) or "the bytes")

    async def _check_keys(self) -> None:
        """One pass over all keys: cards that should not be, rows and name entries one by one."""
        cards, rows, names = (f"{self._generation}:{kind}:".encode() for kind in "cpn")
        expected_rows = dict(self._partitions)
        expected_names = {layout.name_key(self._generation, word): each for word, each in self._names.items()}
        async for keys in self._keys(f"{self._generation}:[cpn]:*"):
            await self._check_strangers(cards, [key for key in keys if key.startswith(cards)])
            await self._check_strings("rows", (key for key in keys if key.startswith(rows)), expected_rows, layout.ROW)
            await self._check_strings(
                "names", (key for key in keys if key.startswith(names)), expected_names, layout.NAME_ENTRY
            )
        for store, left, dtype in (("rows", expected_rows, layout.ROW), ("names", expected_names, layout.NAME_ENTRY)):
            for name, entries in left.items():
                self._check_entries(store, name, b"", bytes(entries), dtype)

    async def _check_strangers(self, prefix: bytes, keys: list[bytes]) -> None:
        """Cards that nothing in the truth accounts for; that one was removed may be remembered."""
        unknown = [key for key in keys if int.from_bytes(key[len(prefix) :], "little") not in self._subjects]
        for batch in batches(unknown, KEYS_AT_ONCE):
            values = cast(list[bytes | None], await self._redis.mget(batch))
            for key, value in zip(batch, values, strict=True):
                if content_of(value):
                    self._differs("cards", Kind.EXTRA, key[len(prefix) :].hex(), "no such provider-location")

    async def _keys(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """All keys of a pattern in batches. A key may come twice, if the server's table grows meanwhile: not here."""
        cursor = 0
        seen: set[bytes] = set()
        while True:
            cursor, found = await self._redis.scan(cursor, match=pattern, count=SCANNED)
            keys = [key for key in cast(list[bytes], found) if key not in seen]
            seen.update(keys)
            yield keys
            if cursor == 0:
                return

    async def _check_strings(
        self, store: str, keys: Iterable[bytes], expected: dict[str, bytearray], dtype: "np.dtype[np.void]"
    ) -> None:
        for batch in batches(keys, KEYS_AT_ONCE):
            values = cast(list[bytes | None], await self._redis.mget(batch))
            for name, value in zip([key.decode() for key in batch], values, strict=True):
                self._check_entries(store, name, value or b"", bytes(expected.pop(name, b"")), dtype)

    def _check_entries(self, store: str, key: str, found: bytes, wanted: bytes, dtype: "np.dtype[np.void]") -> None:
        """Compare the fixed-width entries of one string, in whatever order they lie."""
        self.checked[store] += len(wanted) // dtype.itemsize
        if len(found) % dtype.itemsize:
            self._differs(store, Kind.CONTENT, key, f"{len(found)} bytes don't hold whole entries")
            return
        has, should = np.frombuffer(found, dtype), np.frombuffer(wanted, dtype)
        if np.array_equal(np.sort(has, order="id"), np.sort(should, order="id")):
            return
        self._compare(store, key, _by_id(has), _by_id(should))

    def _compare(self, store: str, key: str, has: dict[int, list[np.void]], should: dict[int, list[np.void]]) -> None:
        for number in has.keys() | should.keys():
            found, wanted = has.get(number, []), should.get(number, [])
            subject = self._subjects.get(number, f"{number:016x}")
            if len(found) > len(wanted):
                self._differs(store, Kind.EXTRA, subject, key)
            elif not found:
                self._differs(store, Kind.MISSING, subject, key)
            elif found != wanted:
                fields = _unequal(found[0], wanted[0])
                kind = Kind.VERSION if "version" in fields else Kind.CONTENT
                self._differs(store, kind, subject, f"{', '.join(fields)} in {key}")

    async def _check_plans(self) -> None:
        found = cast(dict[bytes, bytes], await self._redis.hgetall(layout.plans_key(self._generation)))
        self.checked["plans"] = len(self._plans)
        for plan in found.keys() | self._plans.keys():
            has, should = found.get(plan), self._plans.get(plan)
            if has == should:
                continue
            subject = f"insurance-plan/{plan.decode()}"
            if has is None or should is None:
                self._differs("plans", Kind.MISSING if has is None else Kind.EXTRA, subject)
            else:
                self._differs("plans", Kind.CONTENT if has[:8] == should[:8] else Kind.VERSION, subject)

    def _differs(self, store: str, kind: Kind, subject: str, detail: str = "") -> None:
        self._report(Difference(store, kind, subject, detail))


def _subject(npi: str, provider_location_id: str) -> str:
    return f"provider-location/{npi}/{provider_location_id}"


def _by_id(entries: npt.NDArray[np.void]) -> dict[int, list[np.void]]:
    grouped: dict[int, list[np.void]] = defaultdict(list)
    for entry in entries:
        grouped[int(entry["id"])].append(entry)
    return grouped


def _unequal(found: np.void, wanted: np.void) -> Sequence[str]:
    return [name for name in found.dtype.names or () if found[name] != wanted[name]]
