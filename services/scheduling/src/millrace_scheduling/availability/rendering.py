"""Openings as JSON, written straight from numbers: thousands of them make one answer."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import msgspec

from millrace_scheduling.availability.model import Run, Wanted, chosen_by, offer_of
from millrace_scheduling.calendar.model import DAY, VisitType
from millrace_scheduling.slot.zones import EPOCH_ORDINAL, stretches

_HEAD, _NEXT = '[{"start":"', ',{"start":"'
_CLOCK = tuple(f"T{minute // 60:02}:{minute % 60:02}:00" for minute in range(DAY))


def offset_text(offset: int) -> str:
    """Minutes ahead of UTC as RFC 3339 writes them, e.g. `-05:00`."""
    sign = "-" if offset < 0 else "+"
    return f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"


def openings_json(zone: str, runs: Sequence[Run], visit_types: Sequence[VisitType], wanted: Wanted) -> str:
    """A JSON list of the contract's openings, for `availability.model.free_runs`.

    Starts are RFC 3339 in the offset of the zone at each.
    """
    if not runs:
        return "[]"
    of_types = tuple(visit_types)
    tails = {mask: _tail(mask, of_types, wanted) for mask in {run.mask for run in runs}}
    pending = iter(stretches(zone, runs[0].starts[0], runs[-1].starts[-1] + 1))
    ends = day_ends = -(1 << 60)
    offset, suffix, prefix = 0, "", ""
    parts: list[str] = []
    for starts, mask in runs:
        at, step = starts.start, starts.step
        while at < starts.stop:
            while at >= ends:
                _, ends, offset = next(pending)
                suffix = offset_text(offset)
                day_ends = -(1 << 60)
            if at >= day_ends:
                day = (at + offset) // DAY
                prefix = date.fromordinal(day + EPOCH_ORDINAL).isoformat()
                day_ends = (day + 1) * DAY - offset
            # Within a day and an offset, texts differ by their clock alone.
            stop = min(starts.stop, ends, day_ends)
            clocks = _CLOCK[(at + offset) % DAY : (stop - 1 + offset) % DAY + 1 : step]
            tail = suffix + tails[mask]
            parts.append(prefix + f"{tail}{_NEXT}{prefix}".join(clocks) + tail)
            at += len(clocks) * step
    return _HEAD + _NEXT.join(parts) + "]"


@lru_cache(maxsize=4096)
def _tail(mask: int, visit_types: tuple[VisitType, ...], wanted: Wanted) -> str:
    """All of an opening behind its start."""
    offer = offer_of(chosen_by(mask, visit_types), wanted)
    return f'","minutes":{offer.minutes},"modes":{_json(offer.modes)},"patients":{_json(offer.patients)}}}'


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
