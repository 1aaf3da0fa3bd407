"""The rules of appointments and holds by themselves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from millrace_scheduling.appointment.model import (
    TRANSITIONS,
    Action,
    Appointment,
    Cancellation,
    Party,
    State,
    TooEarlyError,
    TooLateError,
    WrongStateError,
)
from millrace_scheduling.claim.model import Visit
from millrace_scheduling.hold.model import LIFETIME, ExtendedBeforeError, Held, Hold, TooManyHoldsError

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
START = NOW + timedelta(days=1)
VISIT = Visit(UUID(int=1), "1000000001", None, "America/New_York", START, 30, "visit", None, "in_person", "new")
BOOKED = Appointment(UUID(int=2), 1, State.BOOKED, UUID(int=2), UUID(int=3), None, VISIT, NOW, NOW)
BY_PATIENT = Cancellation(Party.PATIENT, "other")
NO_NOTICE = timedelta(0)
LATER = START + timedelta(hours=1)

STEPS: dict[Action, Callable[[Appointment], Appointment]] = {
    Action.CONFIRM: lambda each: each.confirmed(LATER),
    Action.RESCHEDULE: lambda each: each.moved(replace(VISIT, start=LATER), UUID(int=4), LATER),
    Action.CANCEL: lambda each: each.cancelled(Cancellation(Party.PRACTICE, "other"), LATER, NO_NOTICE),
    Action.ARRIVE: lambda each: each.arrived(LATER),
    Action.COMPLETE: lambda each: each.completed(LATER),
    Action.MISS: lambda each: each.missed(LATER),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", Action)
def test_every_state_has_just_its_steps(state: State, action: Action) -> None:
    appointment = replace(BOOKED, state=state)
    expected = TRANSITIONS[state].get(action)
    if expected is None:
        with pytest.raises(WrongStateError) as caught:
            STEPS[action](appointment)
        assert caught.value.possible == tuple(sorted(TRANSITIONS[state]))
        return
    after = STEPS[action](appointment)
    assert (after.state, after.version, after.updated_at) == (expected, 2, LATER)


def test_final_states_have_no_way_out() -> None:
    assert {state for state, steps in TRANSITIONS.items() if not steps} == {
        State.COMPLETED,
        State.CANCELLED,
        State.NO_SHOW,
    }


@pytest.mark.parametrize("notice", [timedelta(0), timedelta(hours=2), timedelta(days=3)])
def test_patients_keep_the_deadline_to_the_second(notice: timedelta) -> None:
    deadline = START - notice
    assert BOOKED.cancelled(BY_PATIENT, deadline, notice).cancellation == BY_PATIENT
    BOOKED.may_move(Party.PATIENT, deadline, notice)
    late = deadline + timedelta(seconds=1)
    with pytest.raises(TooLateError):
        BOOKED.cancelled(BY_PATIENT, late, notice)
    with pytest.raises(TooLateError):
        BOOKED.may_move(Party.PATIENT, late, notice)
    BOOKED.may_move(Party.PRACTICE, late, notice)


def test_a_visit_is_missed_from_its_start_on() -> None:
    with pytest.raises(TooEarlyError):
        BOOKED.missed(START - timedelta(seconds=1))
    assert BOOKED.missed(START).state is State.NO_SHOW


def test_the_sequence_rises_with_moves_and_the_end_only() -> None:
    moved = STEPS[Action.RESCHEDULE](BOOKED.confirmed(NOW))
    assert (moved.sequence, moved.state, moved.moved_from) == (1, State.BOOKED, START)
    assert moved.confirmed(NOW).sequence == 1
    assert moved.cancelled(Cancellation(Party.PRACTICE, "other"), NOW, NO_NOTICE).sequence == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [(State.BOOKED, State.CANCELLED), (State.CONFIRMED, State.CANCELLED), (State.COMPLETED, State.COMPLETED)],
)
def test_what_is_forgotten_is_cancelled_where_it_lies_ahead(before: State, after: State) -> None:
    forgotten = replace(BOOKED, state=before).forgotten(NOW)
    assert (forgotten.state, forgotten.patient_id, forgotten.version) == (after, None, 2)


def test_a_hold_is_extended_once_and_never_shortened() -> None:
    hold = Hold(UUID(int=5), UUID(int=3), None, VISIT, NOW + LIFETIME)
    assert hold.extension(NOW + timedelta(minutes=2)).expires_at == NOW + timedelta(minutes=2) + LIFETIME
    assert hold.extension(NOW - timedelta(minutes=2)).expires_at == hold.expires_at
    with pytest.raises(ExtendedBeforeError):
        hold.extension(NOW).extension(NOW)


def test_who_holds_enough_waits_for_the_first_to_end() -> None:
    until = NOW + timedelta(minutes=1)
    Held(2, 19).require_room(NOW)
    for held in (Held(3, 0, patient_until=until), Held(0, 20, address_until=until)):
        with pytest.raises(TooManyHoldsError) as caught:
            held.require_room(NOW)
        assert caught.value.until == until
