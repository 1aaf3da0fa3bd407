"""Parse the search parameters that filter openings."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from millrace_readmodel.openings import MODES, PARTS, PATIENTS, visit_kinds
from millrace_readmodel.zones import day_number
from millrace_search.engine.openings import ALL_PARTS, OpeningsFilter
from millrace_search.find.schemas import SearchParameters
from millrace_search.schemas import invalid_parameter

HORIZON_DAYS: Final = 60
"""Number of days with known openings, including today."""
_WITHIN: Final = re.compile(r"([1-9]\d?)d", re.ASCII)
_EASTERNMOST: Final = timedelta(hours=10)
_WESTERNMOST: Final = timedelta(hours=-11)
"""Offsets from UTC of Guam and Pago Pago, where a date begins first and ends last."""

FilterKey = tuple[int | None, int | None, int | None, str | None, str | None, str | None]


def parse_openings_filter(parameters: SearchParameters, now: float) -> tuple[OpeningsFilter, FilterKey]:
    """Return the openings filter at a moment (Unix seconds), and a key that identifies the parameters in cursors.

    Raises `Unprocessable` for contradictory or past days, and for days beyond the known openings.
    """
    within = _parse_within(parameters)
    first, last = _requested_days(parameters.available_from, parameters.available_to, now)
    openings_filter = OpeningsFilter(
        first,
        last,
        within,
        ALL_PARTS if parameters.time_of_day is None else (PARTS.index(parameters.time_of_day),),
        tuple(
            visit_kinds(
                MODES if parameters.mode is None else (parameters.mode,),
                PATIENTS if parameters.patient is None else (parameters.patient,),
            )
        ),
    )
    return openings_filter, (first, last, within, parameters.time_of_day, parameters.mode, parameters.patient)


def _parse_within(parameters: SearchParameters) -> int | None:
    if parameters.available_within is None:
        return None
    match = _WITHIN.fullmatch(parameters.available_within)
    if match is None or int(match[1]) > HORIZON_DAYS:
        raise invalid_parameter(
            "available_within", "Not a number of days.", f"Give a number of days up to {HORIZON_DAYS}, such as 3d."
        )
    if parameters.available_from is not None or parameters.available_to is not None:
        raise invalid_parameter(
            "available_within",
            "The days are given twice.",
            "Give either available_within, or available_from and available_to.",
        )
    return int(match[1])


def _requested_days(first: date | None, last: date | None, now: float) -> tuple[int | None, int | None]:
    moment = datetime.fromtimestamp(now, UTC)
    latest = (moment + _EASTERNMOST).date() + timedelta(days=HORIZON_DAYS - 1)
    if first is not None and first > latest:
        raise invalid_parameter(
            "available_from", "Openings aren't known that far ahead.", f"Give a day up to {latest}."
        )
    if first is not None and last is not None and last < first:
        raise invalid_parameter("available_to", "The day is before available_from.", f"Give {first} or a later day.")
    today = (moment + _WESTERNMOST).date()
    if last is not None and last < today:
        raise invalid_parameter("available_to", "The day is in the past.", f"Give {today} or a later day.")
    return None if first is None else day_number(first), None if last is None else day_number(last)
