"""When a patient's data was erased, nothing tells any more whose the bookings were."""

import json
from typing import Any

from sqlalchemy import text

from millrace_contracts.entities import Patient
from millrace_contracts.registry import PATIENT
from millrace_platform.unit_of_work import Event
from millrace_scheduling.reservation.model import ERASED_PATIENT_ID
from tests.support.waiting import until

from .booking import HALF_PAST_NINE, NINE, TEN, patient_of, shop, staff_of, times
from .running import Service

TABLES = ("claims", "appointments", "idempotency", "waitlist_entries", "ics_feeds", "waitlist_offers")


async def mentions(service: Service, identifier: str) -> list[str]:
    """Tables that have the id anywhere; the outbox is empty by then."""
    found = []
    for table in TABLES:
        async with service.database.transaction() as session:
            query = text(f"SELECT count(*) FROM {table} each WHERE each::text LIKE '%' || :id || '%'")  # noqa: S608
            if (await session.execute(query, {"id": identifier})).scalar_one():
                found.append(table)
    return found


async def test_whose_bookings_they_were_is_forgotten(service: Service) -> None:
    place, ada, bob = await shop(service), patient_of(service), patient_of(service)
    past, ahead = await ada.book(place, NINE), await ada.book(place, TEN)
    for action in ("arrived", "completed"):
        await staff_of(service).act(past, action)
    await ada.hold(place, HALF_PAST_NINE)
    await ada.post("/v1/appointments/feeds", {})
    await ada.post("/v1/waitlist", {"provider_location_id": place, "from": "2026-11-20", "to": "2026-11-20"})
    others = await bob.book(place, "2026-11-19T11:00:00-05:00")
    assert await mentions(service, ada.id) != []
    erased = Patient(id=ada.id, state="erased")
    await service.tell(Event.of_entity(PATIENT, erased, action="updated", version=2))

    async def forgotten() -> bool:
        return await mentions(service, ada.id) == []

    await until(forgotten)
    offered = await times(service, place)
    assert (NINE in offered, HALF_PAST_NINE in offered, TEN in offered) == (False, True, True)
    staff = staff_of(service)
    shown = (await staff.get(f"/v1/appointments/{ahead['id']}")).json()
    assert (shown["state"], shown["cancellation_reason"], shown["patient_id"]) == ("cancelled", "account_erased", None)
    assert (await staff.get(f"/v1/appointments/{past['id']}")).json()["state"] == "completed"
    assert (await ada.get(f"/v1/appointments/{past['id']}")).status_code == 404
    assert (await bob.get(f"/v1/appointments/{others['id']}")).json() == others

    def told(appointment: dict[str, Any]) -> dict[str, Any]:
        envelope = service.latest("appointment").get(f"appointment/{appointment['id']}")
        found: dict[str, Any] = json.loads(bytes(envelope.data)) if envelope else {}
        return found

    await until(lambda: told(past).get("patient_id") == told(ahead).get("patient_id") == str(ERASED_PATIENT_ID))
    assert service.latest("appointment")[f"appointment/{past['id']}"].entityversion == 4


async def test_a_patient_who_is_there_stays(service: Service) -> None:
    ada, bob = patient_of(service), patient_of(service)
    appointment = await ada.book(await shop(service))
    await service.tell(Event.of_entity(PATIENT, Patient(id=ada.id, state="active"), action="created", version=1))
    await service.tell(Event.of_entity(PATIENT, Patient(id=bob.id, state="erased"), action="updated", version=2))
    assert (await ada.get(f"/v1/appointments/{appointment['id']}")).json() == appointment
