"""The checker of booking histories: accepts possible histories, reports the violations of impossible ones."""

import pytest

from .booking_history import Operation, Outcome, Slot, violations

OK, FAIL, UNKNOWN = Outcome.OK, Outcome.FAIL, Outcome.UNKNOWN
NINE, TEN, HALF_PAST_NINE = Slot("p", 540, 600), Slot("p", 600, 660), Slot("p", 570, 630)
ELSEWHERE = Slot("q", 540, 600)


def operation(booking: str, to: Slot | None, outcome: Outcome, started: float, ended: float | None = None) -> Operation:
    return Operation(booking, to, outcome, started, started + 1 if ended is None else ended)


POSSIBLE = {
    "one booking succeeds, the other is refused": (
        [operation("a", NINE, OK, 0), operation("b", NINE, FAIL, 0)],
        {"a": [NINE]},
    ),
    "released, then booked": (
        [operation("a", NINE, OK, 0), operation("a", None, OK, 2, 4), operation("b", NINE, OK, 3)],
        {"b": [NINE]},
    ),
    "moved, and the old time booked during the move": (
        [operation("a", NINE, OK, 0), operation("a", TEN, OK, 2, 5), operation("b", NINE, OK, 3, 4)],
        {"a": [TEN], "b": [NINE]},
    ),
    "a booking of unknown outcome succeeded": ([operation("a", NINE, UNKNOWN, 0)], {"a": [NINE]}),
    "a booking of unknown outcome failed": (
        [operation("a", NINE, UNKNOWN, 0), operation("b", NINE, OK, 0)],
        {"b": [NINE]},
    ),
    "a booking of unknown outcome was repeated": (
        [operation("a", NINE, UNKNOWN, 0), operation("a", NINE, OK, 2)],
        {"a": [NINE]},
    ),
    "a cancellation of unknown outcome, then another booking": (
        [operation("a", NINE, OK, 0), operation("a", None, UNKNOWN, 2), operation("b", NINE, OK, 4)],
        {"b": [NINE]},
    ),
    "a move of unknown outcome failed": ([operation("a", NINE, OK, 0), operation("a", TEN, UNKNOWN, 2)], {"a": [NINE]}),
    "a move of unknown outcome succeeded": (
        [operation("a", NINE, OK, 0), operation("a", TEN, UNKNOWN, 2)],
        {"a": [TEN]},
    ),
    "a refused move": ([operation("a", NINE, OK, 0), operation("a", TEN, FAIL, 2)], {"a": [NINE]}),
    "other providers": (
        [operation("a", NINE, OK, 0), operation("b", ELSEWHERE, OK, 0)],
        {"a": [NINE], "b": [ELSEWHERE]},
    ),
    "adjacent slots": ([operation("a", NINE, OK, 0), operation("b", TEN, OK, 0)], {"a": [NINE], "b": [TEN]}),
}

IMPOSSIBLE = {
    "double booking": ([operation("a", NINE, OK, 0), operation("b", NINE, OK, 0)], {"a": [NINE], "b": [NINE]}),
    "double booking, cancelled before the end": (
        [
            operation("a", NINE, OK, 0),
            operation("b", NINE, OK, 2),
            operation("a", None, OK, 6),
            operation("b", None, OK, 6),
        ],
        {},
    ),
    "overlapping": (
        [operation("a", NINE, OK, 0), operation("b", HALF_PAST_NINE, OK, 0)],
        {"a": [NINE], "b": [HALF_PAST_NINE]},
    ),
    "booked before the other's move began": (
        [operation("a", NINE, OK, 0), operation("b", NINE, OK, 2), operation("a", TEN, OK, 5)],
        {"a": [TEN], "b": [NINE]},
    ),
    "booked after a refused cancellation": (
        [
            operation("a", NINE, OK, 0),
            operation("a", None, FAIL, 2),
            operation("b", NINE, OK, 4),
            operation("b", None, OK, 6),
        ],
        {"a": [NINE]},
    ),
    "an acknowledged booking is missing": ([operation("a", NINE, OK, 0)], {}),
    "a refused booking exists": ([operation("a", NINE, FAIL, 0)], {"a": [NINE]}),
    "a cancelled booking exists": ([operation("a", NINE, OK, 0), operation("a", None, OK, 2)], {"a": [NINE]}),
    "a moved booking is at its old time": ([operation("a", NINE, OK, 0), operation("a", TEN, OK, 2)], {"a": [NINE]}),
    "a move of unknown outcome left two bookings": (
        [operation("a", NINE, OK, 0), operation("a", TEN, UNKNOWN, 2)],
        {"a": [NINE, TEN]},
    ),
    "a move of unknown outcome lost the booking": ([operation("a", NINE, OK, 0), operation("a", TEN, UNKNOWN, 2)], {}),
    "two bookings of unknown outcome both succeeded": (
        [operation("a", NINE, UNKNOWN, 0), operation("b", NINE, UNKNOWN, 0)],
        {"a": [NINE], "b": [NINE]},
    ),
    "a booking without a request": ([], {"a": [NINE]}),
    "cancelled twice": ([operation("a", NINE, OK, 0), operation("a", None, OK, 2), operation("a", None, OK, 4)], {}),
}

Case = tuple[list[Operation], dict[str, list[Slot]]]


@pytest.mark.parametrize("case", POSSIBLE.values(), ids=POSSIBLE.keys())
def test_possible_history_has_no_violations(case: Case) -> None:
    assert violations(*case) == []


@pytest.mark.parametrize("case", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_impossible_history_has_violations(case: Case) -> None:
    assert violations(*case) != []


def test_violation_names_bookings_and_time() -> None:
    operations, final = IMPOSSIBLE["double booking"]
    assert "owned by a and b at 1.000" in violations(operations, final)[0]
