"""Which rows have openings that are asked for, and when the first of them is; over columns of bits.

In each plane (part of the day, mode, patient kind) day d has bit d % 64 (see `millrace_readmodel.openings`), so a range
of days is a mask that is turned to its place. What is past is masked, by the clock of each row's place.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from millrace_readmodel.layout import DAYS, KINDS, OPENINGS, ROW
from millrace_readmodel.openings import PARTS, part_of
from millrace_readmodel.zones import TIME_ZONES, day_of, local
from millrace_search.engine.area import Bools, Ids, Ints
from millrace_search.engine.sphere import Floats

NEVER: Final = 3 * 10_000_000.0
"""In place of a part of a day, for rows without an opening that is asked for: after all others."""
ALL_KINDS: Final = tuple(range(KINDS))
ALL_PARTS: Final = tuple(range(len(PARTS)))
_ALL: Final = np.uint64(2**64 - 1)
_BITS: Final = np.uint64(64)
_ONE: Final = np.uint64(1)
_WIDTH: Final = OPENINGS.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class Openings:
    """Of the rows of an area, in their order."""

    planes: npt.NDArray[np.uint64]
    """(12, n)"""
    zones: Ints
    """(n,) numbers of time zones."""
    since: Ints
    """(n,) first day told of; 0 where nothing is known."""
    misplaced: bool
    """Whether some stand beside a row that they don't belong to: rows and openings were read at different times."""

    @property
    def nbytes(self) -> int:
        return 800 + self.planes.nbytes + self.zones.nbytes + self.since.nbytes


def openings_of(ids: Ids, parts: Sequence[bytes], columns: Sequence[bytes]) -> Openings:
    """From the strings of partitions and of their openings, in the order of the rows `ids`."""
    joined = b"".join(map(_as_long, parts, columns))
    entries = np.frombuffer(joined, dtype=OPENINGS)
    since = entries["since"].astype(np.intp)
    misplaced = (entries["check"] != (ids & np.uint64(0xFFFF))) & (since > 0)
    since[misplaced] = 0
    planes = np.ascontiguousarray(entries["planes"].T)
    return Openings(planes, entries["zone"].astype(np.intp), since, bool(misplaced.any()))


def _as_long(part: bytes, column: bytes) -> bytes:
    """The column with an entry for each row."""
    size = len(part) // ROW.itemsize * _WIDTH
    return column[:size].ljust(size, b"\0")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Openings that are asked for. Days are counted from 1970-01-01 at the place; by default all from today on."""

    first: int | None = None
    last: int | None = None
    within: int | None = None
    """Days, today being the first."""
    parts: tuple[int, ...] = ALL_PARTS
    kinds: tuple[int, ...] = ALL_KINDS


@dataclass(frozen=True, slots=True, eq=False)
class LocalTimes:
    """The local day and part of the day at one moment: arrays by number of the time zone."""

    today: Ints
    part: Ints
    """Of the day."""


@functools.lru_cache(maxsize=8)
def local_times(minute: int) -> LocalTimes:
    """Return the local times at a minute of Unix time."""
    shown = [local(60.0 * minute, zone) for zone in range(len(TIME_ZONES))]
    return LocalTimes(
        np.array([day_of(each) for each in shown], dtype=np.intp),
        np.array([part_of(60 * each.hour + each.minute) for each in shown], dtype=np.intp),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Bookable:
    """The openings of an area, and those of them that are asked for at a moment."""

    openings: Openings
    wanted: Wanted
    local_times: LocalTimes

    def any(self, rows: Ints) -> Bools:
        """Which of these rows have such an opening."""
        found = np.zeros(len(rows), dtype=np.uint64)
        days = self._days(rows)
        for part in self.wanted.parts:
            found |= self._matching(rows, part, days)
        has: Bools = found != 0
        return has

    def soonest(self, rows: Ints) -> Floats:
        """By row, the first part of a day with such an opening, as 3 * day + part; `NEVER` where there is none."""
        earliest = np.full(len(rows), NEVER)
        days = self._days(rows)
        for part in self.wanted.parts:
            found = _turned(self._matching(rows, part, days), -days.first)
            lowest = found & (~found + _ONE)
            # The exponent of a power of two, exactly.
            ahead = np.frexp(lowest.astype(np.float64))[1] - 1
            value = 3.0 * (days.first + ahead) + part
            np.minimum(earliest, np.where(found != 0, value, NEVER), out=earliest)
        return earliest

    def _days(self, rows: Ints) -> "_Days":
        since, zones = self.openings.since[rows], self.openings.zones[rows]
        today = self.local_times.today[zones]
        first, last = np.maximum(today, since), since + (DAYS - 1)
        last[since == 0] = 0
        if self.wanted.first is not None:
            np.maximum(first, self.wanted.first, out=first)
        if self.wanted.last is not None:
            np.minimum(last, self.wanted.last, out=last)
        if self.wanted.within is not None:
            np.minimum(last, today + (self.wanted.within - 1), out=last)
        n = np.maximum(last - first + 1, 0).astype(np.uint64)
        return _Days(
            first,
            bits=_turned(_ALL >> (_BITS - n), first),
            first_bit=_ONE << (first % DAYS).astype(np.uint64),
            over=np.where(first == today, self.local_times.part[zones], 0),
        )

    def _matching(self, rows: Ints, part: int, days: "_Days") -> Ids:
        """Bits of the days that have such an opening in this part."""
        planes = self.openings.planes
        bits = np.zeros(len(rows), dtype=np.uint64)
        for kind in self.wanted.kinds:
            bits |= planes[KINDS * part + kind][rows]
        bits &= days.bits
        if part < len(PARTS) - 1:
            bits &= ~(days.first_bit * (days.over > part))
        return bits


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    """The days that count, by row."""

    first: Ints
    bits: Ids
    first_bit: Ids
    over: Ints
    """How many parts of the first day have passed."""


def _turned(bits: Ids, by: Ints) -> Ids:
    """Each rotated to the left; numpy makes zero of what is shifted by all bits."""
    left = (by % DAYS).astype(np.uint64)
    turned: Ids = (bits << left) | (bits >> (_BITS - left))
    return turned
