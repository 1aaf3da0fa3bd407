"""Appointments: their states, the actions that change the state, and the deadlines of these actions. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from millrace_scheduling.hold.model import Hold
from millrace_scheduling.reservation.model import Visit


class State(StrEnum):
    """The state of an appointment. `completed`, `no_show` and `cancelled` are final."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class Action(StrEnum):
    """An action on an appointment, spelled as in the path of its endpoint."""

    CONFIRM = "confirm"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    ARRIVE = "arrived"
    COMPLETE = "completed"
    MISS = "no_show"


class Party(StrEnum):
    """Whether a caller acts as the patient or as the practice."""

    PATIENT = "patient"
    PRACTICE = "practice"


TRANSITIONS: Final[Mapping[State, Mapping[Action, State]]] = {
    State.BOOKED: {
        Action.CONFIRM: State.CONFIRMED,
        Action.RESCHEDULE: State.BOOKED,
        Action.CANCEL: State.CANCELLED,
        Action.ARRIVE: State.ARRIVED,
        Action.MISS: State.NO_SHOW,
    },
    State.CONFIRMED: {
        Action.RESCHEDULE: State.BOOKED,
        Action.CANCEL: State.CANCELLED,
        Action.ARRIVE: State.ARRIVED,
        Action.MISS: State.NO_SHOW,
    },
    State.ARRIVED: {Action.COMPLETE: State.COMPLETED},
    State.COMPLETED: {},
    State.CANCELLED: {},
    State.NO_SHOW: {},
}

PRACTICE_ONLY: Final = frozenset({Action.ARRIVE, Action.COMPLETE, Action.MISS})
ARRIVAL_LEAD: Final = timedelta(hours=2)
"""How long before the start of a visit the arrival of its patient can be recorded."""
OCCUPYING_STATES: Final = frozenset({State.BOOKED, State.CONFIRMED, State.ARRIVED, State.COMPLETED, State.NO_SHOW})
"""States in which the provider's time is reserved."""

CANCELLATION_REASONS: Final[Mapping[Party, tuple[str, ...]]] = {
    Party.PATIENT: ("schedule_conflict", "feeling_better", "found_other_care", "insurance", "transport", "other"),
    Party.PRACTICE: ("provider_unavailable", "practice_closed", "patient_request", "duplicate", "other"),
}
"""Codes for the reason of a cancellation; free text could contain personal data."""
ERASED_REASON: Final = "account_erased"
"""The code for an erased patient; clients can't send it."""


class AppointmentRuleError(Exception):
    """Base of the errors raised if a change violates the rules of appointments."""


class WrongStateError(AppointmentRuleError):
    """The action isn't possible in the appointment's state; `possible` lists the actions that are."""

    def __init__(self, state: State, action: Action) -> None:
        super().__init__(f"{action} of an appointment that is {state}")
        self.state = state
        self.action = action
        self.possible = tuple(sorted(TRANSITIONS[state]))


class TooLateError(AppointmentRuleError):
    """The patient's `deadline` for changes has passed."""

    def __init__(self, deadline: datetime) -> None:
        super().__init__("after the practice's deadline")
        self.deadline = deadline


class TooEarlyError(AppointmentRuleError):
    """The action is possible from `earliest` on only."""

    def __init__(self, earliest: datetime) -> None:
        super().__init__("before the visit")
        self.earliest = earliest


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Details of a cancellation: whether the patient or the practice cancelled, and the code of the reason."""

    by: Party
    reason: str


@dataclass(frozen=True, slots=True)
class Appointment:
    """A booked visit at one version. `patient_id` is None once the patient's data was erased.

    `sequence` is iCalendar's: it rises when the visit is moved or cancelled. Each method returns the next version.
    """

    id: UUID
    version: int
    state: State
    reservation_id: UUID
    patient_id: UUID | None
    dependant_id: UUID | None
    visit: Visit
    created_at: datetime
    updated_at: datetime
    sequence: int = 0
    moved_from: datetime | None = None
    cancellation: Cancellation | None = None
    completed_at: datetime | None = None
    insurance_card_id: UUID | None = None

    @classmethod
    def from_hold(cls, hold: Hold, insurance_card_id: UUID | None, now: datetime) -> "Appointment":
        """Return the new appointment that replaces a hold, with the hold's id and reserved time."""
        return cls(
            id=hold.id,
            version=1,
            state=State.BOOKED,
            reservation_id=hold.id,
            patient_id=hold.patient_id,
            dependant_id=hold.dependant_id,
            visit=hold.visit,
            created_at=now,
            updated_at=now,
            insurance_card_id=insurance_card_id,
        )

    def confirm(self, now: datetime) -> "Appointment":
        """Confirm that the visit will take place. Raises `WrongStateError`."""
        return self._apply(Action.CONFIRM, now)

    def cancel(self, cancellation: Cancellation, now: datetime, notice: timedelta) -> "Appointment":
        """Cancel the visit. Raises `WrongStateError`; for patients `TooLateError` less than `notice` before it."""
        after = self._apply(Action.CANCEL, now)
        self._require_notice(cancellation.by, now, notice)
        return replace(after, cancellation=cancellation, sequence=self.sequence + 1)

    def require_movable(self, by: Party, now: datetime, notice: timedelta) -> None:
        """Raise `WrongStateError` if the appointment can't be moved, `TooLateError` after the patient's deadline."""
        self._next_state(Action.RESCHEDULE)
        self._require_notice(by, now, notice)

    def move(self, visit: Visit, reservation_id: UUID, now: datetime) -> "Appointment":
        """Move to another time, which has to be confirmed again. Raises `WrongStateError`."""
        after = self._apply(Action.RESCHEDULE, now)
        return replace(
            after, visit=visit, reservation_id=reservation_id, moved_from=self.visit.start, sequence=self.sequence + 1
        )

    def with_new_time_zone(self, now: datetime) -> "Appointment":
        """Return the next version of an appointment that is shown in another time zone, at the same moment."""
        return replace(self, version=self.version + 1, updated_at=now)

    def mark_arrived(self, now: datetime) -> "Appointment":
        """Record that the patient arrived. Raises `WrongStateError`, `TooEarlyError` before the `ARRIVAL_LEAD`."""
        return self._apply_from(self.visit.start - ARRIVAL_LEAD, Action.ARRIVE, now)

    def complete(self, now: datetime) -> "Appointment":
        """Record that the visit is over. Raises `WrongStateError`, and `TooEarlyError` before the visit's start."""
        return replace(self._apply_from(self.visit.start, Action.COMPLETE, now), completed_at=now)

    def mark_missed(self, now: datetime) -> "Appointment":
        """Record a no-show. Raises `WrongStateError`, and `TooEarlyError` before the visit's start."""
        return self._apply_from(self.visit.start, Action.MISS, now)

    def erase_patient(self, now: datetime) -> "Appointment":
        """Remove the ids of the patient's data, and cancel the appointment if it can still be cancelled."""
        anonymous = replace(self, patient_id=None, dependant_id=None, insurance_card_id=None)
        bare = replace(anonymous, version=self.version + 1, updated_at=now)
        if Action.CANCEL not in TRANSITIONS[self.state]:
            return bare
        cancellation = Cancellation(Party.PATIENT, ERASED_REASON)
        return replace(bare, state=State.CANCELLED, cancellation=cancellation, sequence=self.sequence + 1)

    def _next_state(self, action: Action) -> State:
        try:
            return TRANSITIONS[self.state][action]
        except KeyError:
            raise WrongStateError(self.state, action) from None

    def _require_notice(self, by: Party, now: datetime, notice: timedelta) -> None:
        deadline = self.visit.start - notice
        if by is Party.PATIENT and now > deadline:
            raise TooLateError(deadline)

    def _apply_from(self, earliest: datetime, action: Action, now: datetime) -> "Appointment":
        after = self._apply(action, now)
        if now < earliest:
            raise TooEarlyError(earliest)
        return after

    def _apply(self, action: Action, now: datetime) -> "Appointment":
        return replace(self, version=self.version + 1, state=self._next_state(action), updated_at=now)
