"""Appointments: their states, who may change them and until when. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from millrace_scheduling.claim.model import Visit
from millrace_scheduling.hold.model import Hold


class State(StrEnum):
    """Where an appointment stands. The last three are final."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class Action(StrEnum):
    """What can be done with an appointment, as its address spells it."""

    CONFIRM = "confirm"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    ARRIVE = "arrived"
    COMPLETE = "completed"
    MISS = "no_show"


class Party(StrEnum):
    """On whose side somebody acts."""

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
OCCUPYING: Final = frozenset({State.BOOKED, State.CONFIRMED, State.ARRIVED, State.COMPLETED, State.NO_SHOW})
"""States in which the provider's time is taken."""

REASONS: Final[Mapping[Party, tuple[str, ...]]] = {
    Party.PATIENT: ("schedule_conflict", "feeling_better", "found_other_care", "insurance", "transport", "other"),
    Party.PRACTICE: ("provider_unavailable", "practice_closed", "patient_request", "duplicate", "other"),
}
"""Codes of why an appointment is cancelled. Codes, as a free text would carry personal data."""
ERASED_REASON: Final = "account_erased"
"""The code where the patient's data was erased; nobody sends it."""


class RefusedError(Exception):
    """What was asked can't be done with the appointment."""


class WrongStateError(RefusedError):
    """The appointment's state doesn't have that action."""

    def __init__(self, state: State, action: Action) -> None:
        super().__init__(f"{action} of an appointment that is {state}")
        self.state = state
        self.action = action
        self.possible = tuple(sorted(TRANSITIONS[state]))


class TooLateError(RefusedError):
    """Patients can cancel or move it until `deadline` only."""

    def __init__(self, deadline: datetime) -> None:
        super().__init__("after the practice's deadline")
        self.deadline = deadline


class TooEarlyError(RefusedError):
    """Nobody has missed a visit that hasn't begun."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Who cancelled, and why."""

    by: Party
    reason: str


@dataclass(frozen=True, slots=True)
class Appointment:
    """A booked visit at one version. `patient_id` is None once the patient's data was erased.

    `claim_id` is what occupies the provider's time; `sequence` is iCalendar's: it rises where the visit moves or ends.
    """

    id: UUID
    version: int
    state: State
    claim_id: UUID
    patient_id: UUID | None
    dependant_id: UUID | None
    visit: Visit
    created_at: datetime
    updated_at: datetime
    sequence: int = 0
    moved_from: datetime | None = None
    cancellation: Cancellation | None = None
    completed_at: datetime | None = None

    @classmethod
    def of_hold(cls, hold: Hold, now: datetime) -> "Appointment":
        """The hold, booked. It keeps its id and its time."""
        return cls(
            id=hold.id,
            version=1,
            state=State.BOOKED,
            claim_id=hold.id,
            patient_id=hold.patient_id,
            dependant_id=hold.dependant_id,
            visit=hold.visit,
            created_at=now,
            updated_at=now,
        )

    def confirmed(self, now: datetime) -> "Appointment":
        """Somebody said that the visit will take place."""
        return self._after(Action.CONFIRM, now)

    def cancelled(self, cancellation: Cancellation, now: datetime, notice: timedelta) -> "Appointment":
        """`notice` is what the practice asks of patients. Raises `WrongStateError`, `TooLateError`."""
        self._require(Action.CANCEL)
        self._require_notice(cancellation.by, now, notice)
        return replace(self._after(Action.CANCEL, now), cancellation=cancellation, sequence=self.sequence + 1)

    def may_move(self, by: Party, now: datetime, notice: timedelta) -> None:
        """Raises `WrongStateError`, `TooLateError`."""
        self._require(Action.RESCHEDULE)
        self._require_notice(by, now, notice)

    def moved(self, visit: Visit, claim_id: UUID, now: datetime) -> "Appointment":
        """To another time, which is to be confirmed again."""
        after = self._after(Action.RESCHEDULE, now)
        return replace(after, visit=visit, claim_id=claim_id, moved_from=self.visit.start, sequence=self.sequence + 1)

    def arrived(self, now: datetime) -> "Appointment":
        return self._after(Action.ARRIVE, now)

    def completed(self, now: datetime) -> "Appointment":
        return replace(self._after(Action.COMPLETE, now), completed_at=now)

    def missed(self, now: datetime) -> "Appointment":
        """Raises `WrongStateError`, and `TooEarlyError` before the visit's start."""
        self._require(Action.MISS)
        if now < self.visit.start:
            raise TooEarlyError
        return self._after(Action.MISS, now)

    def forgotten(self, now: datetime) -> "Appointment":
        """Nobody's any more: the patient's data was erased. What hasn't taken place is cancelled."""
        bare = replace(self, version=self.version + 1, patient_id=None, dependant_id=None, updated_at=now)
        if Action.CANCEL not in TRANSITIONS[self.state]:
            return bare
        cancellation = Cancellation(Party.PATIENT, ERASED_REASON)
        return replace(bare, state=State.CANCELLED, cancellation=cancellation, sequence=self.sequence + 1)

    def _require(self, action: Action) -> State:
        try:
            return TRANSITIONS[self.state][action]
        except KeyError:
            raise WrongStateError(self.state, action) from None

    def _require_notice(self, by: Party, now: datetime, notice: timedelta) -> None:
        deadline = self.visit.start - notice
        if by is Party.PATIENT and now > deadline:
            raise TooLateError(deadline)

    def _after(self, action: Action, now: datetime) -> "Appointment":
        return replace(self, version=self.version + 1, state=self._require(action), updated_at=now)
