"""Applies appointments from the feed: schedules emails and creates messages for practices in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.appointment import repository
from millrace_notifications.appointment.model import (
    Appointment,
    AppointmentState,
    AwareTime,
    ChangeType,
    detect_changes,
)
from millrace_notifications.delivery.fan_out import FanOut, PracticeEvent
from millrace_notifications.delivery.payload import appointment_body, event_type
from millrace_notifications.provider_location.model import ProviderLocation
from millrace_notifications.provider_location.repository import load_provider_locations
from millrace_notifications.scheduled_email.model import EmailPlan
from millrace_notifications.scheduled_email.rules import plan_emails
from millrace_notifications.scheduled_email.service import EmailScheduler
from millrace_platform.database import Session

ProviderLocations = Mapping[str, ProviderLocation]


@dataclass(frozen=True, slots=True)
class AppointmentUpdate:
    """A consumed version of an appointment. `at` is the time of the change; a `replay` repeats an earlier event."""

    appointment: Appointment
    at: AwareTime
    replay: bool


@dataclass(slots=True)
class _Effects:
    """Effects of a batch of updates, collected to be stored together, in order."""

    newest: dict[str, Appointment] = field(default_factory=dict)
    plans: list[EmailPlan] = field(default_factory=list)
    events: list[PracticeEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AppointmentUpdater:
    """Schedules emails and creates messages for new versions of appointments, once per version."""

    scheduler: EmailScheduler
    fan_out: FanOut
    clock: Clock

    async def apply(self, session: Session, updates: Sequence[AppointmentUpdate]) -> None:
        """Apply the updates in order, skipping those that aren't newer than the stored version.

        The number of SQL statements doesn't depend on the number of updates.
        """
        if not updates:
            return
        states = await repository.lock_states(session, [update.appointment for update in updates])
        ids = {update.appointment.provider_location_id for update in updates}
        ids |= {state.provider_location_id for state in states.values()}
        locations, effects = await load_provider_locations(session, ids), _Effects()
        for update in updates:
            appointment = update.appointment
            before = states.get(appointment.id)
            if before is None or before.version < appointment.version:
                self._collect(effects, before, update, locations)
                states[appointment.id] = AppointmentState.of(appointment)
                effects.newest[appointment.id] = appointment
        await repository.update_states(session, effects.newest.values())
        await self.scheduler.apply(session, effects.plans)
        await self.fan_out.create_deliveries(session, effects.events, utc_now(self.clock))

    def _collect(
        self,
        effects: _Effects,
        before: AppointmentState | None,
        update: AppointmentUpdate,
        locations: ProviderLocations,
    ) -> None:
        """Add the effects of an update. If an unknown appointment is replayed, only reminders are scheduled."""
        appointment, now = update.appointment, utc_now(self.clock)
        announce = before is not None or not update.replay
        location = locations.get(appointment.provider_location_id)
        zone = appointment.time_zone or (None if location is None else location.time_zone)
        practices = _concerned_practices(before, appointment, locations) if announce else []
        for change in detect_changes(before, appointment):
            effects.plans.append(plan_emails(change, appointment, zone, now, announce=announce))
            effects.events.extend(_practice_event(practice, change, update) for practice in practices)


def _practice_event(practice_id: str, change: ChangeType, update: AppointmentUpdate) -> PracticeEvent:
    appointment = update.appointment
    body = appointment_body(change, appointment, practice_id, update.at)
    return PracticeEvent(practice_id, event_type(change), appointment.entity, appointment.version, body)


def _concerned_practices(
    before: AppointmentState | None, appointment: Appointment, locations: ProviderLocations
) -> list[str]:
    """Return the appointment's practice and, if it moved to another provider-location, the practice it left."""
    practices = {appointment.practice_id or _practice_at(appointment.provider_location_id, locations)}
    if before is not None and before.provider_location_id != appointment.provider_location_id:
        practices.add(_practice_at(before.provider_location_id, locations))
    return sorted(practice for practice in practices if practice is not None)


def _practice_at(identifier: str, locations: ProviderLocations) -> str | None:
    location = locations.get(identifier)
    return None if location is None else location.practice_id
