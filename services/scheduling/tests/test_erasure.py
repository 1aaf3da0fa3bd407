"""Erasure of a patient: no table and no current event refers to the patient afterwards."""

import json
from typing import Any

from sqlalchemy import text

from millrace_contracts.entities import Patient
from millrace_contracts.registry import PATIENT
from millrace_feeds.testing import wait_until
from millrace_platform.unit_of_work import Event
from millrace_scheduling.reservation.model import ERASED_PATIENT_ID

from .booking import HALF_PAST_NINE, NINE, TEN, bookable_location, free_starts, new_patient, staff_client
from .running import Service
from .test_appointments import START_OF_NINE

TABLES = ("reservations", "appointments", "idempotency", "waitlist_entries", "calendar_feeds", "waitlist_offers")


async def tables_with(service: Service, identifier: str) -> list[str]:
    """Return the tables with the id in any column."""
    found = []
    for table in TABLES:
        async with service.database.transaction() as session:
            query = text(f"SELECT count(*) FROM {table} each WHERE each::text LIKE '%' || :id || '%'")  # noqa: S608
            if (await session.execute(query, {"id": identifier})).scalar_one():
                found.append(table)
    return found


async def test_erasure_removes_the_patient_from_all_bookings(service: Service) -> None:
    location, ada, bob = await bookable_location(service), new_patient(service), new_patient(service)
    past, ahead = await ada.book(location, NINE), await ada.book(location, TEN)
    service.clock.now = START_OF_NINE
    for action in ("arrived", "completed"):
        assert (await staff_client(service).act(past, action)).status_code == 200
    await ada.hold(location, HALF_PAST_NINE)
    await ada.post("/v1/appointments/feeds", {})
    wish = {"provider_location_id": location, "from": "2026-11-20", "to": "2026-11-20", "mode": "video"}
    assert (await ada.post("/v1/waitlist", wish)).status_code == 201
    others = await bob.book(location, "2026-11-19T11:00:00-05:00")
    assert await tables_with(service, ada.id) != []
    erased = Patient(id=ada.id, state="erased")
    await service.publish(Event.of_entity(PATIENT, erased, action="updated", version=2))

    async def is_erased() -> bool:
        return await tables_with(service, ada.id) == []

    await wait_until(is_erased)
    offered = await free_starts(service, location)
    assert (NINE in offered, HALF_PAST_NINE in offered, TEN in offered) == (False, True, True)
    staff = staff_client(service)
    shown = (await staff.get(f"/v1/appointments/{ahead['id']}")).json()
    assert (shown["state"], shown["cancellation_reason"], shown["patient_id"]) == ("cancelled", "account_erased", None)
    assert (await staff.get(f"/v1/appointments/{past['id']}")).json()["state"] == "completed"
    assert (await ada.get(f"/v1/appointments/{past['id']}")).status_code == 404
    assert (await bob.get(f"/v1/appointments/{others['id']}")).json() == others

    def published_data(appointment: dict[str, Any]) -> dict[str, Any]:
        envelope = service.latest("appointment").get(f"appointment/{appointment['id']}")
        found: dict[str, Any] = json.loads(bytes(envelope.data)) if envelope else {}
        return found

    await wait_until(
        lambda: (
            published_data(past).get("patient_id") == published_data(ahead).get("patient_id") == str(ERASED_PATIENT_ID)
        )
    )
    assert service.latest("appointment")[f"appointment/{past['id']}"].entityversion == 4


async def test_patients_with_visits_at_one_time_can_all_be_erased(service: Service) -> None:
    patients = [new_patient(service) for _ in range(2)]
    for each in patients:
        await each.book(await bookable_location(service), NINE)
    service.clock.now = START_OF_NINE
    async with service.database.transaction() as session:
        await session.execute(text("UPDATE appointments SET state = 'no_show'"))
    for each in patients:
        erased = Patient(id=each.id, state="erased")
        await service.publish(Event.of_entity(PATIENT, erased, action="updated", version=2))

    async def are_erased() -> bool:
        return [await tables_with(service, each.id) for each in patients] == [[], []]

    await wait_until(are_erased)


async def test_events_of_other_patients_change_nothing(service: Service) -> None:
    ada, bob = new_patient(service), new_patient(service)
    appointment = await ada.book(await bookable_location(service))
    await service.publish(Event.of_entity(PATIENT, Patient(id=ada.id, state="active"), action="created", version=1))
    await service.publish(Event.of_entity(PATIENT, Patient(id=bob.id, state="erased"), action="updated", version=2))
    assert (await ada.get(f"/v1/appointments/{appointment['id']}")).json() == appointment
