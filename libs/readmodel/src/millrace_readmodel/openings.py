"""Encode the openings of a provider-location as one fixed-width entry (`layout.OPENINGS`; pure functions).

An entry covers `DAYS` local days from day `since` on. Day d has bit d % DAYS in each plane; there is a plane for each
part of the day, mode and patient kind. Bits don't move at midnight: readers of an older entry mask past days and days
after the entry's last one. An entry contains the versions of its weeks, so one week can be merged into it without
reading the others from the source of truth.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from millrace_contracts.entities import Availability, BookableVisit, Opening
from millrace_contracts.envelope import ContractError
from millrace_readmodel import zones
from millrace_readmodel.layout import (
    COUNT_BITS,
    COUNTED_DAYS,
    DAYS,
    FIRST_DAYS,
    FIRSTS,
    MAX_COUNT,
    NO_FIRST,
    OPENINGS,
    PLANES,
    VISIT_KINDS,
    WEEKS,
)

NOON: Final = 12 * 60
EVENING: Final = 17 * 60
"""`NOON` and `EVENING` are the minutes of the day at which afternoon and evening begin."""
PARTS: Final = ("morning", "afternoon", "evening")
MODES: Final = ("in_person", "video")
PATIENTS: Final = ("existing", "new")
_ENTRY: Final = struct.Struct(f"<HHB15s{WEEKS}H{PLANES}Q{FIRSTS}H")
_SUMMARY: Final = struct.Struct(f"<2xHB15s{2 * WEEKS + 8 * PLANES}x{FIRSTS}H")
_VERSIONS: Final = 65_535
_COUNT: Final = (1 << COUNT_BITS) - 1
EMPTY_ENTRY: Final = bytes(OPENINGS.itemsize)
"""Entry (all zeros) of a row whose openings are unknown."""

Time = tuple[int, int]
"""Local day (days since 1970-01-01) and minute of the day."""


class WeekItem(msgspec.Struct, frozen=True, gc=False):
    """Openings of a provider-location in one week; `data` is the JSON of `Availability`, None if deleted."""

    npi: str
    location_id: str
    week: int
    version: int
    data: str | None


@dataclass(frozen=True, slots=True)
class WeekSummary:
    """Openings of one week as an entry records them: plane bits and number of openings for each day from Monday on.

    `firsts` contains the earliest opening of each part of each day (morning, afternoon, evening), in order.
    """

    number: int
    version: int
    bits: Sequence[int] = (0,) * 7
    counts: Sequence[int] = (0,) * 7
    firsts: Sequence[Time] = ()


def part_of(minute: int) -> int:
    """Return the part of the day of a minute of the day: 0 before noon, 1 before 17:00, 2 from then on."""
    return 0 if minute < NOON else 1 if minute < EVENING else 2


def visit_kinds(modes: Iterable[str], patients: Iterable[str]) -> list[int]:
    """Return the numbers of all combinations of modes and patients: 2 * index in `MODES` + index in `PATIENTS`."""
    patient_numbers = [PATIENTS.index(patient) for patient in patients]
    return [2 * MODES.index(mode) + patient for mode in modes for patient in patient_numbers]


_decoder: Final = msgspec.json.Decoder(Availability)
_KIND_BITS: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}


def summarize_week(item: WeekItem, zone: int) -> WeekSummary:
    """Summarize a week in the local time of zone number `zone`, without openings outside the week.

    Raises `ContractError` for invalid data.
    """
    if item.data is None:
        return WeekSummary(item.week, item.version)
    try:
        return _summarize(item, _decoder.decode(item.data).openings, zone)
    except (msgspec.DecodeError, ValueError) as error:
        raise ContractError(f"availability/{item.npi}/{item.location_id}: {error}") from error


def _summarize(item: WeekItem, openings: Sequence[Opening], zone: int) -> WeekSummary:
    start = zones.first_day_of_week(item.week)
    bits, counts, firsts = [0] * 7, [0] * 7, dict[tuple[int, int], int]()
    for opening in openings:
        day, minute, repeated = zones.day_and_minute(opening.start, zone)
        if not start <= day < start + 7:
            continue
        part = part_of(minute)
        bits[day - start] |= _opening_bits(opening) << VISIT_KINDS * part
        counts[day - start] += 1
        # Day and minute can't distinguish an hour that the clock change repeats from its first occurrence.
        if not repeated and minute < firsts.get((day, part), NO_FIRST):
            firsts[day, part] = minute
    times = sorted((day, minute) for (day, _), minute in firsts.items())
    return WeekSummary(item.week, item.version, bits, counts, times)


def _opening_bits(opening: Opening) -> int:
    bits = _kind_bits(opening)
    for visit in opening.other_visits:
        bits |= _kind_bits(visit)
    return bits


def _kind_bits(visit: BookableVisit) -> int:
    key = visit.modes, visit.patients
    known = _KIND_BITS.get(key)
    if known is None:
        known = _KIND_BITS[key] = sum({1 << kind for kind in visit_kinds(*key)})
    return known


@dataclass(slots=True)
class Entry:
    """Unpacked openings of one row. `counts` has `COUNT_BITS` bits for each day d, at index d % COUNTED_DAYS."""

    check: int
    since: int
    zone: int
    counts: int = 0
    versions: list[int] = field(default_factory=lambda: [0] * WEEKS)
    planes: list[int] = field(default_factory=lambda: [0] * PLANES)
    firsts: list[Time] = field(default_factory=list)

    def pack(self) -> bytes:
        """Return the fixed-width bytes of the openings (`layout.OPENINGS`)."""
        firsts = [(day - self.since) << 11 | minute for day, minute in self.firsts]
        firsts += [NO_FIRST] * (FIRSTS - len(firsts))
        counts = self.counts.to_bytes(15, "little")
        return _ENTRY.pack(self.check, self.since, self.zone, counts, *self.versions, *self.planes, *firsts)

    def put(self, week: WeekSummary) -> None:
        """Replace the bits, counts and version of this week, but not the first times."""
        start = zones.first_day_of_week(week.number)
        for day, bits, count in zip(range(start, start + 7), week.bits, week.counts, strict=True):
            if self.since <= day < self.since + DAYS:
                self._put_day(day, bits)
            if self.since <= day < self.since + COUNTED_DAYS:
                shift = COUNT_BITS * (day % COUNTED_DAYS)
                self.counts = self.counts & ~(_COUNT << shift) | min(count, MAX_COUNT) << shift
        self.versions[week.number % WEEKS] = _to_short(week.version)

    def _put_day(self, day: int, bits: int) -> None:
        bit = 1 << day % DAYS
        for plane in range(PLANES):
            self.planes[plane] = self.planes[plane] | bit if bits >> plane & 1 else self.planes[plane] & ~bit

    def covers(self, week: int) -> bool:
        """Return whether the entry covers any day of the week."""
        return zones.week_of_day(self.since) <= week <= zones.week_of_day(self.since + DAYS - 1)

    def has_newer(self, week: WeekSummary) -> bool:
        """Return whether the entry contains a later version of this week; versions are compared modulo 65,535."""
        stored = self.versions[week.number % WEEKS]
        return stored != 0 and 0 < (stored - _to_short(week.version)) % _VERSIONS < _VERSIONS // 2

    def first_open_parts(self) -> list[tuple[int, int]]:
        """Return the first `FIRSTS` parts of days with openings within `FIRST_DAYS`, as (day, part)."""
        parts = [
            self.planes[first] | self.planes[first + 1] | self.planes[first + 2] | self.planes[first + 3]
            for first in range(0, PLANES, VISIT_KINDS)
        ]
        found: list[tuple[int, int]] = []
        for day in range(self.since, self.since + FIRST_DAYS):
            found += [(day, part) for part, plane in enumerate(parts) if plane >> day % DAYS & 1]
            if len(found) >= FIRSTS:
                break
        return found[:FIRSTS]


def build_entry(row: int, zone: int, since: int, weeks: Iterable[WeekSummary]) -> bytes:
    """Return a row's openings entry from day `since` on, built from `weeks`; ignore those that it doesn't cover."""
    entry = Entry(row & 0xFFFF, since, zone)
    times: list[Time] = []
    for week in weeks:
        if entry.covers(week.number):
            entry.put(week)
            times += week.firsts
    entry.firsts = sorted(time for time in times if since <= time[0] < since + FIRST_DAYS)[:FIRSTS]
    return entry.pack()


def unpack_entry(value: bytes) -> Entry:
    """Unpack the bytes of one openings entry (`layout.OPENINGS`)."""
    check, since, zone, counts, *numbers = _ENTRY.unpack(value)
    firsts = [(since + (first >> 11), first & 0x7FF) for first in numbers[WEEKS + PLANES :] if first != NO_FIRST]
    versions, planes = numbers[:WEEKS], numbers[WEEKS : WEEKS + PLANES]
    return Entry(check, since, zone, int.from_bytes(counts, "little"), versions, planes, firsts)


def unpack_summary(value: bytes) -> tuple[int, int, int, list[Time]]:
    """Return (since, zone, counts, firsts), the parts of an openings entry that search results show."""
    since, zone, counts, *firsts = _SUMMARY.unpack(value)
    times = [(since + (first >> 11), first & 0x7FF) for first in firsts if first != NO_FIRST]
    return since, zone, int.from_bytes(counts, "little"), times


def merge_weeks(value: bytes, row: int, zone: int, today: int, weeks: Iterable[WeekSummary]) -> bytes | None:
    """Return an openings entry with these weeks merged; weeks of which it has a newer version stay unchanged.

    Returns None if the entry must be built from all weeks instead: if it is empty, of another row, first day or zone,
    and if a time that became one of the first times is not in it.
    """
    entry = unpack_entry(value)
    # A writer whose clock is ahead may have written an entry that begins tomorrow.
    if entry.check != row & 0xFFFF or entry.zone != zone or not today <= entry.since <= today + 1:
        return None
    times = {(day, part_of(minute)): minute for day, minute in entry.firsts}
    for week in weeks:
        if not entry.covers(week.number) or entry.has_newer(week):
            continue
        entry.put(week)
        times = {key: minute for key, minute in times.items() if zones.week_of_day(key[0]) != week.number}
        times |= {(day, part_of(minute)): minute for day, minute in week.firsts}
    parts = entry.first_open_parts()
    if not times.keys() >= set(parts):
        return None
    entry.firsts = [(key[0], times[key]) for key in parts]
    return entry.pack()


def _to_short(version: int) -> int:
    """Return a version modulo 65,535 as a number from 1 to 65,535; entries contain 0 for a missing week."""
    return 1 + version % _VERSIONS
