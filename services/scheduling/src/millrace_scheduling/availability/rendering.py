"""Render openings as JSON directly from numbers, because one response may contain thousands. Pure."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import msgspec

from millrace_scheduling.availability.model import Run, select_visit_types
from millrace_scheduling.availability.visit_types import BookableVisit, VisitCriteria, list_bookable_visits
from millrace_scheduling.calendar.model import MINUTES_PER_DAY, VisitType
from millrace_scheduling.zones import EPOCH_ORDINAL, offset_periods

_HEAD, _NEXT = '[{"start":"', ',{"start":"'
_CLOCK = tuple(f"T{minute // 60:02}:{minute % 60:02}:00" for minute in range(MINUTES_PER_DAY))


def format_offset(offset: int) -> str:
    """Return an offset from UTC in minutes in the format of RFC 3339, e.g. `-05:00`."""
    sign = "-" if offset < 0 else "+"
    return f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"


def openings_json(zone: str, runs: Sequence[Run], visit_types: tuple[VisitType, ...], criteria: VisitCriteria) -> str:
    """Return the runs from `find_free_runs` as a JSON list of openings (`Opening` in the contracts).

    Starts are in the format of RFC 3339 with the time zone's offset at that time.
    """
    if not runs:
        return "[]"
    tails = {mask: _tail(mask, visit_types, criteria) for mask in {run.mask for run in runs}}
    pending = iter(offset_periods(zone, runs[0].starts[0], runs[-1].starts[-1] + 1))
    ends = day_ends = -(1 << 60)
    offset, suffix, prefix = 0, "", ""
    parts: list[str] = []
    for starts, mask in runs:
        at, step = starts.start, starts.step
        while at < starts.stop:
            while at >= ends:
                _, ends, offset = next(pending)
                suffix = format_offset(offset)
                day_ends = -(1 << 60)
            if at >= day_ends:
                day = (at + offset) // MINUTES_PER_DAY
                prefix = date.fromordinal(day + EPOCH_ORDINAL).isoformat()
                day_ends = (day + 1) * MINUTES_PER_DAY - offset
            # Within one day and one offset, only the clock times differ.
            stop = min(starts.stop, ends, day_ends)
            clocks = _CLOCK[(at + offset) % MINUTES_PER_DAY : (stop - 1 + offset) % MINUTES_PER_DAY + 1 : step]
            tail = suffix + tails[mask]
            parts.append(prefix + f"{tail}{_NEXT}{prefix}".join(clocks) + tail)
            at += len(clocks) * step
    return _HEAD + _NEXT.join(parts) + "]"


@lru_cache(maxsize=4096)
def _tail(mask: int, visit_types: tuple[VisitType, ...], criteria: VisitCriteria) -> str:
    """Return the rest of an opening's JSON object, which follows its start."""
    first, *others = list_bookable_visits(visit_types, select_visit_types(mask, visit_types), criteria)
    rest = ",".join(f"{{{_fields(each)}}}" for each in others)
    return f'",{_fields(first)},"other_visits":[{rest}]}}'


def _fields(visit: BookableVisit) -> str:
    fields = {
        "visit_type": visit.visit_type.id,
        "minutes": visit.visit_type.minutes,
        "modes": visit.modes,
        "patients": visit.patients,
    }
    return msgspec.json.encode(fields).decode()[1:-1]
