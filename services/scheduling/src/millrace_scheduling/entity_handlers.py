"""Handlers of the `entities` feed: they copy what scheduling needs of other services, and erase patients' data."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from millrace_feeds import handler as feed_handlers
from millrace_feeds.transport import Record
from millrace_platform import idempotency
from millrace_platform.errors import TimedOut, Unavailable
from millrace_platform.revocation import account_from
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.account import repository as accounts
from millrace_scheduling.account.model import AccountRoles
from millrace_scheduling.account.wire import roles_from
from millrace_scheduling.appointment import repository as appointments
from millrace_scheduling.appointment.model import OCCUPYING_STATES
from millrace_scheduling.appointment.wire import appointment_event
from millrace_scheduling.calendar.service import CalendarService
from millrace_scheduling.calendar_feed import repository as feeds
from millrace_scheduling.patient import repository as patients
from millrace_scheduling.patient.model import PatientCopy
from millrace_scheduling.patient.wire import KEY_PREFIX as PATIENT_KEY_PREFIX
from millrace_scheduling.patient.wire import patient_from
from millrace_scheduling.provider import repository as providers
from millrace_scheduling.provider.wire import KEY_PREFIX as PROVIDER_KEY_PREFIX
from millrace_scheduling.provider.wire import provider_from
from millrace_scheduling.provider_location import repository as provider_locations
from millrace_scheduling.provider_location.wire import KEY_PREFIX as PROVIDER_LOCATION_KEY_PREFIX
from millrace_scheduling.provider_location.wire import provider_location_from
from millrace_scheduling.reservation import repository as reservations
from millrace_scheduling.waitlist.service import WaitlistService


def is_outage(error: BaseException) -> bool:
    """Return whether the error is an outage of the database, rather than a record that can't be applied."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(inner) for inner in error.exceptions)
    return isinstance(error, Unavailable | TimedOut) or feed_handlers.is_outage(error)


@dataclass(frozen=True, slots=True)
class ProviderLocationHandler:
    """Feed handler that copies provider-locations to the database; ignores all other entities."""

    units: UnitsOfWork
    calendars: CalendarService

    async def handle(self, records: Sequence[Record]) -> None:
        """Store newer versions; delete the calendars of deleted provider-locations, and have calendars follow locations
        to another time zone. Idempotent.
        """
        latest = {
            each.id: each
            for record in records
            if record.key.startswith(PROVIDER_LOCATION_KEY_PREFIX)
            for each in [provider_location_from(record)]
        }
        if not latest:
            return
        async with self.units.begin() as work:
            zones_before = await provider_locations.list_time_zones_for_update(work.session, latest.keys())
            saved = await provider_locations.save_newer(work.session, list(latest.values()), work.now)
            for each in saved:
                if each.is_deleted:
                    await self.calendars.delete_with_provider_location(work, each)
            moved = [
                each
                for each in saved
                if not each.is_deleted and zones_before.get(each.id, each.time_zone) != each.time_zone
            ]
            if moved:
                await self.calendars.follow_locations(work, moved)


@dataclass(frozen=True, slots=True)
class ProviderHandler:
    """Feed handler that copies the names of providers to the database; ignores all other entities."""

    units: UnitsOfWork

    async def handle(self, records: Sequence[Record]) -> None:
        """Store newer versions. Idempotent. Raises `InvalidRecord`."""
        found = [provider_from(record) for record in records if record.key.startswith(PROVIDER_KEY_PREFIX)]
        if found:
            async with self.units.begin() as work:
                latest = {each.npi: each for each in sorted(found, key=lambda each: each.version)}
                await providers.save_newer(work.session, list(latest.values()), work.now)


@dataclass(frozen=True, slots=True)
class AccountHandler:
    """Feed handler that copies the roles of accounts, and deletes the calendar feeds of erased ones. Idempotent."""

    units: UnitsOfWork

    async def handle(self, records: Sequence[Record]) -> None:
        """Store newer versions. Raises `InvalidRecord`."""
        newest: dict[UUID, AccountRoles] = {}
        erased: set[UUID] = set()
        for record in records:
            parsed = account_from(record)
            if parsed is None:
                continue
            account, is_erased = roles_from(*parsed)
            if account.id not in newest or newest[account.id].version < account.version:
                newest[account.id] = account
            if is_erased:
                erased.add(account.id)
        if newest:
            async with self.units.begin() as work:
                await accounts.save_newer(work.session, list(newest.values()))
                for account_id in sorted(erased):
                    await feeds.delete_patient_feeds(work.session, account_id)


@dataclass(frozen=True, slots=True)
class PatientHandler:
    """Feed handler that copies what patients may book, and erases the data of erased patients. Idempotent."""

    units: UnitsOfWork
    waitlist: WaitlistService

    async def handle(self, records: Sequence[Record]) -> None:
        """Store newer versions, and erase the data of the patients who were erased. Raises `InvalidRecord`."""
        newest: dict[UUID, PatientCopy] = {}
        erased: list[UUID] = []
        for record in records:
            parsed = patient_from(record) if record.key.startswith(PATIENT_KEY_PREFIX) else None
            if parsed is None:
                continue
            patient, is_erased = parsed
            if patient.id not in newest or newest[patient.id].version < patient.version:
                newest[patient.id] = patient
            if is_erased:
                erased.append(patient.id)
        if newest:
            async with self.units.begin() as work:
                await patients.save_newer(work.session, list(newest.values()))
        for patient_id in erased:
            async with self.units.begin() as work:
                await self.erase_patient(work, patient_id)

    async def erase_patient(self, work: UnitOfWork, patient_id: UUID) -> None:
        """Cancel the patient's future appointments, anonymize all of them, and delete the patient's other data."""
        await self.waitlist.erase_patient(work, patient_id)
        ended = []
        while found := await appointments.list_for_erasure(work.session, patient_id):
            for appointment in found:
                after = appointment.erase_patient(work.now)
                if after.state not in OCCUPYING_STATES:
                    ended.append(after.reservation_id)
                await appointments.save(work.session, after)
                work.record(appointment_event(after))
        await reservations.erase_patient(work.session, patient_id, ended)
        await feeds.delete_patient_feeds(work.session, patient_id)
        await idempotency.delete_owner_records(work.session, patient_id)
