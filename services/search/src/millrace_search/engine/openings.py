"""Find the rows with requested openings, and the first opening of each row, by bit operations.

In each plane (part of the day, mode, patient kind) day d has bit d % 64 (see `millrace_readmodel.openings`), so a range
of days is a rotated mask. Past openings are masked by the local time of each row.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from millrace_readmodel.layout import DAYS, OPENINGS, ROW, VISIT_KINDS
from millrace_readmodel.openings import PARTS, part_of
from millrace_readmodel.zones import TIME_ZONES, day_number, local_time
from millrace_search.engine.area import Bools, Ids, Ints
from millrace_search.engine.sphere import Floats

NEVER: Final = 3 * 10_000_000.0
"""Sort value of rows without a requested opening, which come after all others."""
ALL_KINDS: Final = tuple(range(VISIT_KINDS))
ALL_PARTS: Final = tuple(range(len(PARTS)))
_ALL: Final = np.uint64(2**64 - 1)
_BITS: Final = np.uint64(64)
_ONE: Final = np.uint64(1)
_WIDTH: Final = OPENINGS.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class AreaOpenings:
    """Openings of the rows of an area, in their order."""

    planes: npt.NDArray[np.uint64]
    """Shape (12, n): in each plane, the days with openings of each row as 64 bits."""
    zones: Ints
    """Number of each row's time zone."""
    since: Ints
    """First day that each row's openings cover; 0 for unknown openings."""
    has_misplaced_entries: bool
    """Whether any entry belongs to another row, because rows and openings were read at different times."""

    @property
    def nbytes(self) -> int:
        return 800 + self.planes.nbytes + self.zones.nbytes + self.since.nbytes


def build_openings(ids: Ids, parts: Sequence[bytes], columns: Sequence[bytes]) -> AreaOpenings:
    """Build the openings of the rows with these `ids`, in order.

    `parts` are the rows of their partitions, `columns` the openings of the same partitions, as stored.
    """
    joined = b"".join(map(_pad_column, parts, columns))
    entries = np.frombuffer(joined, dtype=OPENINGS)
    since = entries["since"].astype(np.intp)
    has_misplaced_entries = (entries["check"] != (ids & np.uint64(0xFFFF))) & (since > 0)
    since[has_misplaced_entries] = 0
    planes = np.ascontiguousarray(entries["planes"].T)
    return AreaOpenings(planes, entries["zone"].astype(np.intp), since, bool(has_misplaced_entries.any()))


def _pad_column(part: bytes, column: bytes) -> bytes:
    """Cut or pad the column to one entry per row."""
    size = len(part) // ROW.itemsize * _WIDTH
    return column[:size].ljust(size, b"\0")


@dataclass(frozen=True, slots=True)
class OpeningsFilter:
    """Conditions on openings, by default any from today on. `first` and `last` are local days since 1970-01-01."""

    first: int | None = None
    last: int | None = None
    within: int | None = None
    """Number of days, including today."""
    parts: tuple[int, ...] = ALL_PARTS
    visit_kinds: tuple[int, ...] = ALL_KINDS


@dataclass(frozen=True, slots=True, eq=False)
class LocalTimes:
    """Local day and part of the day at one moment, as arrays indexed by the number of the time zone."""

    today: Ints
    part: Ints
    """0 morning, 1 afternoon, 2 evening."""


@functools.lru_cache(maxsize=8)
def local_times(minute: int) -> LocalTimes:
    """Return the local times in all time zones at a moment, in minutes of Unix time."""
    shown = [local_time(60.0 * minute, zone) for zone in range(len(TIME_ZONES))]
    return LocalTimes(
        np.array([day_number(each) for each in shown], dtype=np.intp),
        np.array([part_of(60 * each.hour + each.minute) for each in shown], dtype=np.intp),
    )


@dataclass(frozen=True, slots=True, eq=False)
class OpeningsMatcher:
    """Finds the rows of an area whose openings match a filter at one moment."""

    openings: AreaOpenings
    filter: OpeningsFilter
    local_times: LocalTimes

    def has_opening(self, rows: Ints) -> Bools:
        """Return for each of these rows (indices in the area) whether it has a requested opening."""
        found = np.zeros(len(rows), dtype=np.uint64)
        days = self._requested_days(rows)
        for part in self.filter.parts:
            found |= self._matching_days(rows, part, days)
        has: Bools = found != 0
        return has

    def soonest(self, rows: Ints) -> Floats:
        """Return `3 * day + part of the day` of each row's first requested opening; `NEVER` without one."""
        earliest = np.full(len(rows), NEVER)
        days = self._requested_days(rows)
        for part in self.filter.parts:
            found = _rotate_left(self._matching_days(rows, part, days), -days.first)
            lowest = found & (~found + _ONE)
            # The exact exponent of a power of two.
            ahead = np.frexp(lowest.astype(np.float64))[1] - 1
            value = 3.0 * (days.first + ahead) + part
            np.minimum(earliest, np.where(found != 0, value, NEVER), out=earliest)
        return earliest

    def _requested_days(self, rows: Ints) -> "_RequestedDays":
        since, zones = self.openings.since[rows], self.openings.zones[rows]
        today = self.local_times.today[zones]
        first, last = np.maximum(today, since), since + (DAYS - 1)
        last[since == 0] = 0
        if self.filter.first is not None:
            np.maximum(first, self.filter.first, out=first)
        if self.filter.last is not None:
            np.minimum(last, self.filter.last, out=last)
        if self.filter.within is not None:
            np.minimum(last, today + (self.filter.within - 1), out=last)
        n = np.maximum(last - first + 1, 0).astype(np.uint64)
        return _RequestedDays(
            first,
            bits=_rotate_left(_ALL >> (_BITS - n), first),
            first_bit=_ONE << (first % DAYS).astype(np.uint64),
            parts_passed=np.where(first == today, self.local_times.part[zones], 0),
        )

    def _matching_days(self, rows: Ints, part: int, days: "_RequestedDays") -> Ids:
        """Return for each row the days with a requested opening in this part of the day, as 64 bits."""
        planes = self.openings.planes
        bits = np.zeros(len(rows), dtype=np.uint64)
        for kind in self.filter.visit_kinds:
            bits |= planes[VISIT_KINDS * part + kind][rows]
        bits &= days.bits
        if part < len(PARTS) - 1:
            bits &= ~(days.first_bit * (days.parts_passed > part))
        return bits


@dataclass(frozen=True, slots=True, eq=False)
class _RequestedDays:
    """Requested days of each row: the first day, and all days as bits."""

    first: Ints
    bits: Ids
    first_bit: Ids
    parts_passed: Ints
    """Number of parts of the first day that have passed."""


def _rotate_left(bits: Ids, by: Ints) -> Ids:
    """Rotate each value to the left; numpy returns zero for a shift by all bits."""
    left = (by % DAYS).astype(np.uint64)
    turned: Ids = (bits << left) | (bits >> (_BITS - left))
    return turned
