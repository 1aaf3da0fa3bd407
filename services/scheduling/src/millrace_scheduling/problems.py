"""Problems of bookings, beyond those of the platform."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from millrace_platform.errors import FieldError, NotFound, Problem, Unprocessable

MAX_SUGGESTIONS = 5
_CRITERIA = {
    "mode": "in this mode",
    "patient": "for this kind of patient",
    "visit_reason": "for this reason",
    "visit_type": "of this type",
}


def slot_taken(alternatives: Sequence[str], reasons: Mapping[str, str]) -> Problem:
    """Return a 409: the time can't be booked. `alternatives` are the nearest free starts, RFC 3339 with offset.

    `reasons` are the codes and the sentences of the explanation; there are none if the time was free a moment ago.
    """
    return Problem(
        status=409,
        type="slot-taken",
        title="The time can't be booked",
        detail=" ".join(reasons.values()) or "The time was booked in the meantime.",
        members={"reasons": list(reasons), "alternatives": list(alternatives)},
    )


def own_visit_overlaps(kind: str, identifier: object, start: str, end: str) -> Problem:
    """Return a 409: the caller has a hold or an appointment that prevents this one. Times are RFC 3339 with offset."""
    remedy = "Cancel that appointment" if kind == "appointment" else "Book that hold, or release it"
    return _person_busy(
        f"You have an{'' if kind == 'appointment' else 'other'} {kind} from {start} until {end}. {remedy}, or choose "
        "another time.",
        {"overlap": {"kind": kind, "id": str(identifier), "start": start, "end": end}},
    )


def person_busy() -> Problem:
    """Return a 409 for staff, who may not learn of the patient's other visits."""
    return _person_busy("The patient has another visit at that time. Choose another time.", {})


def _person_busy(detail: str, members: Mapping[str, Any]) -> Problem:
    title = "Another visit of yours is at that time"
    return Problem(status=409, type="person-busy", title=title, detail=detail, members=members)


def hold_expired() -> Problem:
    """Return a 409: the hold expired or was released."""
    return Problem(
        status=409, type="hold-lapsed", title="The hold has expired", detail="Hold the time again, then book it."
    )


def hold_used(appointment_id: object) -> Problem:
    """Return a 409: the hold was booked, so it is an appointment already."""
    return Problem(
        status=409,
        type="hold-used",
        title="The hold was booked already",
        detail=f"Use the appointment {appointment_id}.",
    )


def no_visit_type(possible: Mapping[str, Sequence[str]], requested: Collection[str]) -> Unprocessable:
    """Return a 422: no visit type of the calendar matches the request.

    `possible` are, for each field whose change alone would help, its values that would; without any, all
    `requested` fields are named.
    """
    wrong = [
        FieldError(
            field=name,
            detail=f"The provider-location has no such visits {_CRITERIA[name]}.",
            remedy=f"Give another value, e.g. {', '.join(values[:MAX_SUGGESTIONS])}.",
        )
        for name, values in possible.items()
    ]
    if not wrong:
        detail = "The provider-location has no visits for these values together."
        remedy = "Request its availability without them: the response lists what can be booked."
        wrong = [FieldError(field=name, detail=detail, remedy=remedy) for name in requested]
    return Unprocessable(errors=wrong)


def not_found(kind: str) -> NotFound:
    """Return a 404, the same for a missing resource and one the caller may not see."""
    return NotFound(f"There is no such {kind}, or you have no access to it.")


def already_waiting() -> Problem:
    """Return a 409: the person is on the waitlist of the provider-location for some of the days."""
    return Problem(
        status=409,
        type="already-waiting",
        title="The person already waits for these days",
        detail="Choose days that the other entry doesn't have, or leave that entry first.",
    )


def times_available(alternatives: Sequence[str]) -> Problem:
    """Return a 409: there is nothing to wait for. `alternatives` are the first free starts, RFC 3339 with offset."""
    return Problem(
        status=409,
        type="times-available",
        title="A matching time is free",
        detail="Hold one of `alternatives` instead, or wait for other days.",
        members={"alternatives": list(alternatives)},
    )
