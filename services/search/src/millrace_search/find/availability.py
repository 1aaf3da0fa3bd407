"""Which openings the parameters of a search ask for."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from millrace_platform.errors import FieldError, Unprocessable
from millrace_readmodel.openings import MODES, PARTS, PATIENTS, kinds_of
from millrace_readmodel.zones import day_of
from millrace_search.engine.openings import ALL_PARTS, Wanted

HORIZON_DAYS: Final = 60
"""For which openings are known, today counted."""
_WITHIN: Final = re.compile(r"([1-9]\d?)d", re.ASCII)
_EASTERNMOST: Final = timedelta(hours=10)
_WESTERNMOST: Final = timedelta(hours=-11)
"""From UTC: Guam and Pago Pago, where a date begins first and ends last."""

Asked = tuple[int | None, int | None, int | None, str | None, str | None, str | None]


class Parameters(Protocol):
    """Those of a search that openings depend on."""

    @property
    def available_from(self) -> date | None: ...
    @property
    def available_to(self) -> date | None: ...
    @property
    def available_within(self) -> str | None: ...
    @property
    def time_of_day(self) -> str | None: ...
    @property
    def mode(self) -> str | None: ...
    @property
    def patient(self) -> str | None: ...


def openings_wanted(parameters: Parameters, now: float) -> tuple[Wanted, Asked]:
    """The openings that are asked for at a moment (unix seconds), and what was asked as it identifies a search.

    Raises `Unprocessable` for days that contradict each other, are past, or of which nothing is known yet.
    """
    within = _within(parameters)
    first, last = _days(parameters.available_from, parameters.available_to, now)
    wanted = Wanted(
        first,
        last,
        within,
        ALL_PARTS if parameters.time_of_day is None else (PARTS.index(parameters.time_of_day),),
        tuple(
            kinds_of(
                MODES if parameters.mode is None else (parameters.mode,),
                PATIENTS if parameters.patient is None else (parameters.patient,),
            )
        ),
    )
    return wanted, (first, last, within, parameters.time_of_day, parameters.mode, parameters.patient)


def _within(parameters: Parameters) -> int | None:
    if parameters.available_within is None:
        return None
    match = _WITHIN.fullmatch(parameters.available_within)
    if match is None or int(match[1]) > HORIZON_DAYS:
        raise _invalid(
            "available_within", "Not a number of days.", f"Give a number of days up to {HORIZON_DAYS}, such as 3d."
        )
    if parameters.available_from is not None or parameters.available_to is not None:
        raise _invalid(
            "available_within",
            "Days are given twice.",
            "Give either available_within, or available_from and available_to.",
        )
    return int(match[1])


def _days(first: date | None, last: date | None, now: float) -> tuple[int | None, int | None]:
    moment = datetime.fromtimestamp(now, UTC)
    latest = (moment + _EASTERNMOST).date() + timedelta(days=HORIZON_DAYS - 1)
    if first is not None and first > latest:
        raise _invalid("available_from", "Openings aren't known so far ahead.", f"Give a day up to {latest}.")
    if first is not None and last is not None and last < first:
        raise _invalid("available_to", "It is before available_from.", f"Give {first} or a later day.")
    today = (moment + _WESTERNMOST).date()
    if last is not None and last < today:
        raise _invalid("available_to", "That day is past.", f"Give {today} or a later day.")
    return None if first is None else day_of(first), None if last is None else day_of(last)


def _invalid(field: str, detail: str, remedy: str) -> Unprocessable:
    return Unprocessable(errors=[FieldError(field=field, detail=detail, remedy=remedy)])
