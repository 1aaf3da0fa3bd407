"""Openings as JSON, written straight from numbers: thousands of them make one answer."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import msgspec

from scheduling.availability.model import Wanted, chosen_by, offer_of
from scheduling.calendar.model import DAY, VisitType
from scheduling.slot.zones import EPOCH_ORDINAL, stretches

_HEAD, _NEXT = '[{"start":"', ',{"start":"'
_CLOCK = tuple(f"T{minute // 60:02}:{minute % 60:02}:00" for minute in range(DAY))


def offset_text(offset: int) -> str:
    """Minutes ahead of UTC as RFC 3339 writes them, e.g. `-05:00`."""
    sign = "-" if offset < 0 else "+"
    return f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"


def start_texts(zone: str, starts: Sequence[int]) -> list[str]:
    """Rising minutes as RFC 3339 in the offset of the zone at each."""
    found: list[str] = []
    if not starts:
        return found
    pending = iter(stretches(zone, starts[0], starts[-1] + 1))
    ends = day_ends = -(1 << 60)
    offset, suffix, prefix = 0, "", ""
    for start in starts:
        while start >= ends:
            _, ends, offset = next(pending)
            suffix = offset_text(offset)
            day_ends = -(1 << 60)
        if start >= day_ends:
            day = (start + offset) // DAY
            prefix = date.fromordinal(day + EPOCH_ORDINAL).isoformat()
            day_ends = (day + 1) * DAY - offset
        found.append(prefix + _CLOCK[(start + offset) % DAY] + suffix)
    return found


def openings_json(zone: str, times: Sequence[tuple[int, int]], visit_types: Sequence[VisitType], wanted: Wanted) -> str:
    """A JSON list of the contract's openings, for `availability.model.free_times`."""
    texts = start_texts(zone, [start for start, _ in times])
    of_types = tuple(visit_types)
    tails = {mask: _tail(mask, of_types, wanted) for mask in {mask for _, mask in times}}
    parts = [text + tails[mask] for text, (_, mask) in zip(texts, times, strict=True)]
    return _HEAD + _NEXT.join(parts) + "]" if parts else "[]"


@lru_cache(maxsize=4096)
def _tail(mask: int, visit_types: tuple[VisitType, ...], wanted: Wanted) -> str:
    """All of an opening behind its start."""
    offer = offer_of(chosen_by(mask, visit_types), wanted)
    return f'","minutes":{offer.minutes},"modes":{_json(offer.modes)},"patients":{_json(offer.patients)}}}'


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
