"""The problems that say why a requested visit can't be booked, and when it can be."""

import math
from collections.abc import Sequence
from datetime import datetime

from millrace_platform.errors import Problem, TooManyRequests
from millrace_platform.statements import Statements
from millrace_scheduling.availability.explanation import Reason
from millrace_scheduling.availability.model import Timetable
from millrace_scheduling.availability.service import find_nearest
from millrace_scheduling.availability.visit_types import find_possible_values
from millrace_scheduling.hold.model import HOLDS_PER_ADDRESS, HOLDS_PER_PATIENT, TooManyHoldsError
from millrace_scheduling.hold.repository import HoldRow
from millrace_scheduling.hold.schemas import local_text
from millrace_scheduling.hold.visit_request import VisitRequest
from millrace_scheduling.problems import no_visit_type, own_visit_overlaps, slot_taken
from millrace_scheduling.visit_limits import TooManyVisitsError


async def visit_refusal(
    session: Statements, request: VisitRequest, timetable: Timetable, reasons: Sequence[Reason], now: datetime
) -> Problem:
    """Return a 409 problem with the reasons and the nearest free starts, in the local time of the provider-location.

    If no visit type matches the request, at any time, the problem is a 422.
    """
    calendar = timetable.calendar
    if calendar is not None and Reason.WRONG_VISIT_TYPE in reasons:
        possible = find_possible_values(calendar.visit_types, request.criteria)
        named = () if request.visit_type is None else ("visit_type",)
        return no_visit_type(possible, ("mode", "patient", "visit_reason", *named))
    starts = await find_nearest(session, request.provider_location_id, request.start, request.criteria, now)
    alternatives = [local_text(each, timetable.time_zone) for each in starts]
    return slot_taken(alternatives, {each.value: each.detail for each in reasons})


def overlaps_own_visit(own: HoldRow) -> Problem:
    """Return a 409 that names the hold or the appointment of the caller that prevents the reservation."""
    visit, kind = own.hold.visit, "appointment" if own.is_booked else "hold"
    start, end = (local_text(each, visit.time_zone) for each in (visit.start, visit.end))
    return own_visit_overlaps(kind, own.hold.id, start, end)


def too_many_holds(error: TooManyHoldsError, now: datetime) -> TooManyRequests:
    """Return a 429 that names the limit of holds that was reached."""
    if error.is_of_address:
        limit, allowed, whose = "holds_per_address", HOLDS_PER_ADDRESS, "Your network address"
    else:
        limit, allowed, whose = "holds", HOLDS_PER_PATIENT, "Your account"
    return TooManyRequests(
        f"{whose} has {allowed} holds, which is the limit; offers of the waitlist count. Book or release one, or wait "
        "until one expires.",
        retry_after=_seconds_until(error.until, now),
        members={"limit": limit, "allowed": allowed},
    )


def too_many_visits(error: TooManyVisitsError, now: datetime) -> TooManyRequests:
    """Return a 429 that names the limit of upcoming visits that was reached."""
    limit, whom = ("visits_per_provider", " with this provider") if error.is_with_provider else ("visits", "")
    until = error.limits.until
    remedy = "Cancel one first, or wait until one has begun."
    if until is not None:
        limit = f"first_day_{limit}"
        remedy = "Book further visits when your account is a day old, or cancel one first."
    noun = "visit" if error.allowed == 1 else "visits"
    return TooManyRequests(
        f"Your account can have {error.allowed} upcoming {noun}{whom}, those of dependants included. {remedy}",
        retry_after=None if until is None else _seconds_until(until, now),
        members={"limit": limit, "allowed": error.allowed},
    )


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, math.ceil((moment - now).total_seconds()))
