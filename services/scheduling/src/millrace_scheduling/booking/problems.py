"""What callers of bookings are told beyond the platform's problems."""

from collections.abc import Sequence

from millrace_platform.errors import FieldError, NotFound, Problem, Unprocessable


def slot_taken(alternatives: Sequence[str], detail: str = "Somebody else was faster.") -> Problem:
    """The time can't be had (any more). `alternatives` are the nearest other starts, RFC 3339 with offset."""
    return Problem(
        status=409,
        type="slot-taken",
        title="The time can't be booked",
        detail=detail,
        members={"alternatives": list(alternatives)},
    )


def hold_lapsed() -> Problem:
    return Problem(
        status=409, type="hold-lapsed", title="The hold has lapsed", detail="Hold the time again, then book it."
    )


def hold_used(appointment_id: object) -> Problem:
    return Problem(
        status=409,
        type="hold-used",
        title="The hold was booked",
        detail=f"It is the appointment {appointment_id}.",
    )


def no_visit_type() -> Unprocessable:
    wrong = FieldError(
        field="visit_reason",
        detail="The place has no visits for this reason, kind of patient and mode.",
        remedy="Ask for its availability with the same values: it tells what can be booked.",
    )
    return Unprocessable(errors=[wrong])


def nothing_there(kind: str, identifier: object) -> NotFound:
    return NotFound(f"There is no {kind} {identifier}, or it isn't yours.")
