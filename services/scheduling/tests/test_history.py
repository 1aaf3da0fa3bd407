"""The checker of histories finds what is wrong in histories made by hand, and nothing in right ones."""

import pytest

from tests.support.booking_history import Operation, Outcome, Slot, violations

OK, FAIL, UNKNOWN = Outcome.OK, Outcome.FAIL, Outcome.UNKNOWN
NINE, TEN, HALF_PAST_NINE = Slot("p", 540, 600), Slot("p", 600, 660), Slot("p", 570, 630)
ELSEWHERE = Slot("q", 540, 600)


def did(booking: str, to: Slot | None, outcome: Outcome, started: float, ended: float | None = None) -> Operation:
    return Operation(booking, to, outcome, started, started + 1 if ended is None else ended)


RIGHT = {
    "one takes it, the other is refused": ([did("a", NINE, OK, 0), did("b", NINE, FAIL, 0)], {"a": [NINE]}),
    "given up, then taken": (
        [did("a", NINE, OK, 0), did("a", None, OK, 2, 4), did("b", NINE, OK, 3)],
        {"b": [NINE]},
    ),
    "moved, and the old time taken while the move was under way": (
        [did("a", NINE, OK, 0), did("a", TEN, OK, 2, 5), did("b", NINE, OK, 3, 4)],
        {"a": [TEN], "b": [NINE]},
    ),
    "an unknown booking that took place": ([did("a", NINE, UNKNOWN, 0)], {"a": [NINE]}),
    "an unknown booking that didn't": ([did("a", NINE, UNKNOWN, 0), did("b", NINE, OK, 0)], {"b": [NINE]}),
    "an unknown one that is known by its repetition": (
        [did("a", NINE, UNKNOWN, 0), did("a", NINE, OK, 2)],
        {"a": [NINE]},
    ),
    "an unknown cancellation, and the time taken by another": (
        [did("a", NINE, OK, 0), did("a", None, UNKNOWN, 2), did("b", NINE, OK, 4)],
        {"b": [NINE]},
    ),
    "an unknown move that stayed": ([did("a", NINE, OK, 0), did("a", TEN, UNKNOWN, 2)], {"a": [NINE]}),
    "an unknown move that went": ([did("a", NINE, OK, 0), did("a", TEN, UNKNOWN, 2)], {"a": [TEN]}),
    "a refused move": ([did("a", NINE, OK, 0), did("a", TEN, FAIL, 2)], {"a": [NINE]}),
    "other providers": ([did("a", NINE, OK, 0), did("b", ELSEWHERE, OK, 0)], {"a": [NINE], "b": [ELSEWHERE]}),
    "one after the other": ([did("a", NINE, OK, 0), did("b", TEN, OK, 0)], {"a": [NINE], "b": [TEN]}),
}

WRONG = {
    "taken twice": ([did("a", NINE, OK, 0), did("b", NINE, OK, 0)], {"a": [NINE], "b": [NINE]}),
    "taken twice, and gone before the end": (
        [did("a", NINE, OK, 0), did("b", NINE, OK, 2), did("a", None, OK, 6), did("b", None, OK, 6)],
        {},
    ),
    "overlapping": ([did("a", NINE, OK, 0), did("b", HALF_PAST_NINE, OK, 0)], {"a": [NINE], "b": [HALF_PAST_NINE]}),
    "taken before the other's move began": (
        [did("a", NINE, OK, 0), did("b", NINE, OK, 2), did("a", TEN, OK, 5)],
        {"a": [TEN], "b": [NINE]},
    ),
    "taken after a refused cancellation": (
        [did("a", NINE, OK, 0), did("a", None, FAIL, 2), did("b", NINE, OK, 4), did("b", None, OK, 6)],
        {"a": [NINE]},
    ),
    "an acknowledged booking is missing": ([did("a", NINE, OK, 0)], {}),
    "a refused booking is there": ([did("a", NINE, FAIL, 0)], {"a": [NINE]}),
    "a cancelled booking is there": ([did("a", NINE, OK, 0), did("a", None, OK, 2)], {"a": [NINE]}),
    "a moved booking is at its old time": ([did("a", NINE, OK, 0), did("a", TEN, OK, 2)], {"a": [NINE]}),
    "an unknown move went both ways": ([did("a", NINE, OK, 0), did("a", TEN, UNKNOWN, 2)], {"a": [NINE, TEN]}),
    "an unknown move lost the booking": ([did("a", NINE, OK, 0), did("a", TEN, UNKNOWN, 2)], {}),
    "two unknown ones both took place": (
        [did("a", NINE, UNKNOWN, 0), did("b", NINE, UNKNOWN, 0)],
        {"a": [NINE], "b": [NINE]},
    ),
    "a booking of nobody": ([], {"a": [NINE]}),
    "cancelled twice": ([did("a", NINE, OK, 0), did("a", None, OK, 2), did("a", None, OK, 4)], {}),
}

Case = tuple[list[Operation], dict[str, list[Slot]]]


@pytest.mark.parametrize("case", RIGHT.values(), ids=RIGHT.keys())
def test_what_can_be_passes(case: Case) -> None:
    assert violations(*case) == []


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_what_can_not_be_is_found(case: Case) -> None:
    assert violations(*case) != []


def test_each_violation_names_who_and_when() -> None:
    operations, final = WRONG["taken twice"]
    assert "owned by a and b at 1.000" in violations(operations, final)[0]
