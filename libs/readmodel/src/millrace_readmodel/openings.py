"""The openings of a provider-location in the read model: one fixed-width entry a row (`layout.OPENINGS`). Pure.

An entry is *of a day*, `since`: it tells of the `DAYS` local days from that one on. Day d has bit d % DAYS in each of
the planes, one plane for each part of the day, mode and patient kind; so nothing moves at midnight, and whoever reads
an entry of an earlier day leaves out what is past, and what lies beyond the entry's last day. Weeks carry their
versions, so that one week is merged into an entry without asking the truth for the others.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from millrace_contracts.entities import Availability, Opening
from millrace_contracts.envelope import ContractError
from millrace_readmodel import zones
from millrace_readmodel.layout import (
    COUNT_BITS,
    COUNTED_DAYS,
    DAYS,
    FIRST_DAYS,
    FIRSTS,
    KINDS,
    MOST_COUNTED,
    NO_FIRST,
    OPENINGS,
    PLANES,
    WEEKS,
)

NOON: Final = 12 * 60
EVENING: Final = 17 * 60
"""Minutes of the day at which the afternoon and the evening begin."""
PARTS: Final = ("morning", "afternoon", "evening")
MODES: Final = ("in_person", "video")
PATIENTS: Final = ("existing", "new")
_ENTRY: Final = struct.Struct(f"<HHB15s{WEEKS}H{PLANES}Q{FIRSTS}H")
_GLIMPSE: Final = struct.Struct(f"<2xHB15s{2 * WEEKS + 8 * PLANES}x{FIRSTS}H")
_VERSIONS: Final = 65_535
_COUNT: Final = (1 << COUNT_BITS) - 1
NOTHING: Final = bytes(OPENINGS.itemsize)
"""In place of an entry where nothing is known."""

Time = tuple[int, int]
"""Local day and minute of the day."""


class WeekItem(msgspec.Struct, frozen=True, gc=False):
    """A provider-location's openings in one week as the truth holds them; `data` is `Availability`, None if deleted."""

    npi: str
    location_id: str
    week: int
    version: int
    data: str | None


@dataclass(frozen=True, slots=True)
class Week:
    """What an entry says of a week: for each of its days the bits of its planes and how many openings there are.

    `firsts` is the first time in each part of a day that has any, in order.
    """

    number: int
    version: int
    bits: Sequence[int] = (0,) * 7
    counts: Sequence[int] = (0,) * 7
    firsts: Sequence[Time] = ()


def part_of(minute: int) -> int:
    """Of the day: 0 before noon, 1 before 17:00, 2 after."""
    return 0 if minute < NOON else 1 if minute < EVENING else 2


def kinds_of(modes: Iterable[str], patients: Iterable[str]) -> list[int]:
    """Numbers of the combinations of these: 2 * mode + patient."""
    ours = [PATIENTS.index(patient) for patient in patients]
    return [2 * MODES.index(mode) + patient for mode in modes for patient in ours]


_decoder: Final = msgspec.json.Decoder(Availability)
_KIND_BITS: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}


def week_of(item: WeekItem, zone: int) -> Week:
    """By the clock of the place's zone; what lies outside the week is passed over. Raises `ContractError`."""
    if item.data is None:
        return Week(item.week, item.version)
    try:
        return _summed(item, _decoder.decode(item.data).openings, zone)
    except (msgspec.DecodeError, ValueError) as error:
        raise ContractError(f"availability/{item.npi}/{item.location_id}: {error}") from error


def _summed(item: WeekItem, openings: Sequence[Opening], zone: int) -> Week:
    start = zones.monday(item.week)
    bits, counts, firsts = [0] * 7, [0] * 7, dict[tuple[int, int], int]()
    for opening in openings:
        day, minute, repeated = zones.day_and_minute(opening.start, zone)
        if not start <= day < start + 7:
            continue
        part = part_of(minute)
        bits[day - start] |= _kind_bits(opening) << KINDS * part
        counts[day - start] += 1
        # An hour that comes twice couldn't be told from its first time by day and minute.
        if not repeated and minute < firsts.get((day, part), NO_FIRST):
            firsts[day, part] = minute
    times = sorted((day, minute) for (day, _), minute in firsts.items())
    return Week(item.week, item.version, bits, counts, times)


def _kind_bits(opening: Opening) -> int:
    key = opening.modes, opening.patients
    known = _KIND_BITS.get(key)
    if known is None:
        known = _KIND_BITS[key] = sum({1 << kind for kind in kinds_of(*key)})
    return known


@dataclass(slots=True)
class Entry:
    """An entry unpacked. `counts` holds `COUNT_BITS` for each day, at d % COUNTED_DAYS."""

    check: int
    since: int
    zone: int
    counts: int = 0
    versions: list[int] = field(default_factory=lambda: [0] * WEEKS)
    planes: list[int] = field(default_factory=lambda: [0] * PLANES)
    firsts: list[Time] = field(default_factory=list)

    def packed(self) -> bytes:
        """As it lies in the read model."""
        firsts = [(day - self.since) << 11 | minute for day, minute in self.firsts]
        firsts += [NO_FIRST] * (FIRSTS - len(firsts))
        counts = self.counts.to_bytes(15, "little")
        return _ENTRY.pack(self.check, self.since, self.zone, counts, *self.versions, *self.planes, *firsts)

    def put(self, week: Week) -> None:
        """Replace what is said of a week, all but the first times."""
        start = zones.monday(week.number)
        for day, bits, count in zip(range(start, start + 7), week.bits, week.counts, strict=True):
            if self.since <= day < self.since + DAYS:
                self._put_day(day, bits)
            if self.since <= day < self.since + COUNTED_DAYS:
                shift = COUNT_BITS * (day % COUNTED_DAYS)
                self.counts = self.counts & ~(_COUNT << shift) | min(count, MOST_COUNTED) << shift
        self.versions[week.number % WEEKS] = _short(week.version)

    def _put_day(self, day: int, bits: int) -> None:
        bit = 1 << day % DAYS
        for plane in range(PLANES):
            self.planes[plane] = self.planes[plane] | bit if bits >> plane & 1 else self.planes[plane] & ~bit

    def covers(self, week: int) -> bool:
        """Whether any day of the week is one of this entry's."""
        return zones.week_of_day(self.since) <= week <= zones.week_of_day(self.since + DAYS - 1)

    def is_newer(self, week: Week) -> bool:
        """Whether a later version of the week is in it. Versions are kept modulo 65,535, and so compared."""
        stored = self.versions[week.number % WEEKS]
        return stored != 0 and 0 < (stored - _short(week.version)) % _VERSIONS < _VERSIONS // 2

    def occupied(self) -> list[tuple[int, int]]:
        """The first `FIRSTS` parts of days (day, part) with openings, within the days whose first times are told."""
        parts = [
            self.planes[first] | self.planes[first + 1] | self.planes[first + 2] | self.planes[first + 3]
            for first in range(0, PLANES, KINDS)
        ]
        found: list[tuple[int, int]] = []
        for day in range(self.since, self.since + FIRST_DAYS):
            found += [(day, part) for part, plane in enumerate(parts) if plane >> day % DAYS & 1]
            if len(found) >= FIRSTS:
                break
        return found[:FIRSTS]


def entry_of(row: int, zone: int, since: int, weeks: Iterable[Week]) -> bytes:
    """The entry that tells of these weeks, all that there are; weeks it doesn't reach to are passed over."""
    entry = Entry(row & 0xFFFF, since, zone)
    times: list[Time] = []
    for week in weeks:
        if entry.covers(week.number):
            entry.put(week)
            times += week.firsts
    entry.firsts = sorted(time for time in times if since <= time[0] < since + FIRST_DAYS)[:FIRSTS]
    return entry.packed()


def unpacked(value: bytes) -> Entry:
    """From the bytes of one entry."""
    check, since, zone, counts, *numbers = _ENTRY.unpack(value)
    firsts = [(since + (first >> 11), first & 0x7FF) for first in numbers[WEEKS + PLANES :] if first != NO_FIRST]
    versions, planes = numbers[:WEEKS], numbers[WEEKS : WEEKS + PLANES]
    return Entry(check, since, zone, int.from_bytes(counts, "little"), versions, planes, firsts)


def glimpse(value: bytes) -> tuple[int, int, int, list[Time]]:
    """Of one entry what a card shows: `since`, `zone`, `counts` and `firsts` of `Entry`."""
    since, zone, counts, *firsts = _GLIMPSE.unpack(value)
    times = [(since + (first >> 11), first & 0x7FF) for first in firsts if first != NO_FIRST]
    return since, zone, int.from_bytes(counts, "little"), times


def merged(value: bytes, row: int, zone: int, today: int, weeks: Iterable[Week]) -> bytes | None:
    """The entry with these weeks in it, where they are not older than what it says; None if only the truth can tell.

    That is so where the entry is of another day or zone, or none yet, and where the first times that are left in it no
    longer are the first ones.
    """
    entry = unpacked(value)
    # A writer whose clock is a little ahead may have begun tomorrow's.
    if entry.check != row & 0xFFFF or entry.zone != zone or not today <= entry.since <= today + 1:
        return None
    times = {(day, part_of(minute)): minute for day, minute in entry.firsts}
    for week in weeks:
        if not entry.covers(week.number) or entry.is_newer(week):
            continue
        entry.put(week)
        times = {key: minute for key, minute in times.items() if zones.week_of_day(key[0]) != week.number}
        times |= {(day, part_of(minute)): minute for day, minute in week.firsts}
    wanted = entry.occupied()
    if not times.keys() >= set(wanted):
        return None
    entry.firsts = [(key[0], times[key]) for key in wanted]
    return entry.packed()


def _short(version: int) -> int:
    """From 1 to 65,535: 0 says that there is none."""
    return 1 + version % _VERSIONS
