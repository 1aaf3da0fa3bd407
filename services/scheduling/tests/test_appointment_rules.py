"""Rules of appointments and holds, without a database."""

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
from millrace_scheduling.hold.model import HOLD_LIFETIME, AlreadyExtendedError, Hold, TooManyHoldsError, Usage
from millrace_scheduling.reservation.model import Visit
from millrace_scheduling.visit_limits import VisitLimits

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
START = NOW + timedelta(days=1)
VISIT = Visit(UUID(int=1), "1000000001", None, "America/New_York", START, 30, "visit", None, "in_person", "new")
BOOKED = Appointment(UUID(int=2), 1, State.BOOKED, UUID(int=2), UUID(int=3), None, VISIT, NOW, NOW)
BY_PATIENT = Cancellation(Party.PATIENT, "other")
NO_NOTICE = timedelta(0)
LIMITS = VisitLimits(3, 10)
LATER = START + timedelta(hours=1)

STEPS: dict[Action, Callable[[Appointment], Appointment]] = {
    Action.CONFIRM: lambda each: each.confirm(LATER),
    Action.RESCHEDULE: lambda each: each.move(replace(VISIT, start=LATER), UUID(int=4), LATER),
    Action.CANCEL: lambda each: each.cancel(Cancellation(Party.PRACTICE, "other"), LATER, NO_NOTICE),
    Action.ARRIVE: lambda each: each.mark_arrived(LATER),
    Action.COMPLETE: lambda each: each.complete(LATER),
    Action.MISS: lambda each: each.mark_missed(LATER),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", Action)
def test_each_state_allows_exactly_its_transitions(state: State, action: Action) -> None:
    appointment = replace(BOOKED, state=state)
    expected = TRANSITIONS[state].get(action)
    if expected is None:
        with pytest.raises(WrongStateError) as caught:
            STEPS[action](appointment)
        assert caught.value.possible == tuple(sorted(TRANSITIONS[state]))
        return
    after = STEPS[action](appointment)
    assert (after.state, after.version, after.updated_at) == (expected, 2, LATER)


def test_final_states_have_no_transitions() -> None:
    assert {state for state, steps in TRANSITIONS.items() if not steps} == {
        State.COMPLETED,
        State.CANCELLED,
        State.NO_SHOW,
    }


@pytest.mark.parametrize("notice", [timedelta(0), timedelta(hours=2), timedelta(days=3)])
def test_patient_deadline_is_exact_to_the_second(notice: timedelta) -> None:
    deadline = START - notice
    assert BOOKED.cancel(BY_PATIENT, deadline, notice).cancellation == BY_PATIENT
    BOOKED.require_movable(Party.PATIENT, deadline, notice)
    late = deadline + timedelta(seconds=1)
    with pytest.raises(TooLateError):
        BOOKED.cancel(BY_PATIENT, late, notice)
    with pytest.raises(TooLateError):
        BOOKED.require_movable(Party.PATIENT, late, notice)
    BOOKED.require_movable(Party.PRACTICE, late, notice)


@pytest.mark.parametrize(
    ("action", "state", "earliest"),
    [
        (Action.ARRIVE, State.BOOKED, START - timedelta(hours=2)),
        (Action.COMPLETE, State.ARRIVED, START),
        (Action.MISS, State.BOOKED, START),
    ],
)
def test_staff_record_what_happened_from_a_fixed_time_on(action: Action, state: State, earliest: datetime) -> None:
    appointment = replace(BOOKED, state=state)
    report = {Action.ARRIVE: Appointment.mark_arrived, Action.COMPLETE: Appointment.complete}.get(
        action, Appointment.mark_missed
    )
    with pytest.raises(TooEarlyError) as caught:
        report(appointment, earliest - timedelta(seconds=1))
    assert caught.value.earliest == earliest
    assert report(appointment, earliest).state is TRANSITIONS[state][action]


def test_sequence_rises_with_moves_and_cancellation_only() -> None:
    moved = STEPS[Action.RESCHEDULE](BOOKED.confirm(NOW))
    assert (moved.sequence, moved.state, moved.moved_from) == (1, State.BOOKED, START)
    assert moved.confirm(NOW).sequence == 1
    assert moved.cancel(Cancellation(Party.PRACTICE, "other"), NOW, NO_NOTICE).sequence == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [(State.BOOKED, State.CANCELLED), (State.CONFIRMED, State.CANCELLED), (State.COMPLETED, State.COMPLETED)],
)
def test_erasing_the_patient_cancels_future_appointments(before: State, after: State) -> None:
    erased = replace(BOOKED, state=before).erase_patient(NOW)
    assert (erased.state, erased.patient_id, erased.version) == (after, None, 2)


def test_hold_is_extended_once_and_never_shortened() -> None:
    hold = Hold(UUID(int=5), UUID(int=3), None, VISIT, NOW + HOLD_LIFETIME)
    assert hold.extend(NOW + timedelta(minutes=2)).expires_at == NOW + timedelta(minutes=2) + HOLD_LIFETIME
    assert hold.extend(NOW - timedelta(minutes=2)).expires_at == hold.expires_at
    with pytest.raises(AlreadyExtendedError):
        hold.extend(NOW).extend(NOW)


def test_hold_limit_names_the_first_expiry() -> None:
    until = NOW + timedelta(minutes=1)
    Usage(2, 19).require_capacity(LIMITS, NOW)
    for usage in (Usage(3, 0, patient_until=until), Usage(0, 20, address_until=until)):
        with pytest.raises(TooManyHoldsError) as caught:
            usage.require_capacity(LIMITS, NOW)
        assert caught.value.until == until
