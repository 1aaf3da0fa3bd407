"""Publishes appointments again when the time zone changes in which they are shown."""

from uuid import UUID

from millrace_platform.unit_of_work import UnitOfWork
from millrace_scheduling.appointment import repository
from millrace_scheduling.appointment.repository import position_before
from millrace_scheduling.appointment.wire import appointment_event

APPOINTMENTS_PER_READ = 500


async def publish_time_zone(work: UnitOfWork, provider_location_id: UUID) -> None:
    """Publish the next version of all appointments to come at a provider-location, in its time zone.

    Their moments stay as they are.
    """
    after = position_before(work.now)
    while found := await repository.list_upcoming_for_update(
        work.session, provider_location_id, after, APPOINTMENTS_PER_READ
    ):
        for each in found:
            updated = each.with_new_time_zone(work.now)
            await repository.save(work.session, updated)
            work.record(appointment_event(updated))
        after = found[-1].visit.start, found[-1].id
