"""The audit trail of visits: who else saw or changed a patient's appointments."""

from typing import Any

import pytest
from sqlalchemy import func, select

from millrace_platform.audit.key import AuditKeyError, AuditSettings, create_local_audit_key, load_audit_key
from millrace_platform.audit.tables import audit_entry
from millrace_platform.audit.verification import verify_trail

from .booking import HALF_PAST_NINE, NINE, TEN, Client, bookable_location, new_patient, staff_client
from .running import ADMIN, Service
from .test_calendar_feeds import create_feed

ACCESSES = "/v1/appointments/accesses"
AS_OPERATIONS = {**ADMIN, "Purpose-Of-Use": "HOPERAT"}


async def accesses(patient: Client, **query: int) -> list[dict[str, Any]]:
    response = await patient.service.client.get(ACCESSES, params=query, headers=patient.headers)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def count_entries(service: Service) -> int:
    async with service.database.read() as session:
        return await session.scalar(select(func.count()).select_from(audit_entry)) or 0


async def test_each_read_and_change_by_the_practice_is_recorded(service: Service) -> None:
    ada, staff = new_patient(service), staff_client(service)
    location = await bookable_location(service)
    appointment = await ada.book(location)
    what = f"appointment/{appointment['id']}"
    await staff.get(f"/v1/appointments/{appointment['id']}")
    await staff.get(f"/v1/appointments?provider_location={location}")
    await staff.get(f"/v1/appointments/{appointment['id']}/calendar.ics")
    await staff.act(appointment, "confirm")
    await staff.act(appointment, "reschedule", {"start": TEN})
    await staff.act(appointment, "cancel", {"reason": "provider_unavailable"})
    seen = await accesses(ada)
    assert [(e["deed"], e["what"], e["purpose"]) for e in reversed(seen)] == [
        ("read", what, "TREAT"),
        ("read", what, "TREAT"),
        ("read", what, "TREAT"),
        ("update", what, "TREAT"),
        ("update", what, "TREAT"),
        ("update", what, "TREAT"),
    ]
    assert {tuple(e["roles"]) for e in seen} == {("staff",)}
    assert all(e["actor"] != ada.id for e in seen)


async def test_own_bookings_reads_and_changes_are_not_recorded(service: Service) -> None:
    ada = new_patient(service)
    appointment = await ada.book(await bookable_location(service))
    await ada.get("/v1/appointments")
    await ada.act(appointment, "confirm")
    await ada.act(appointment, "cancel", {"reason": "other"})
    assert await count_entries(service) == 0


async def test_patient_sees_only_accesses_to_own_appointments(service: Service) -> None:
    ada, ben, staff = new_patient(service), new_patient(service), staff_client(service)
    location = await bookable_location(service)
    first = await ada.book(location, NINE)
    await ben.book(location, TEN)
    await staff.get(f"/v1/appointments?provider_location={location}&limit=1")
    assert [e["what"] for e in await accesses(ada)] == [f"appointment/{first['id']}"]
    assert await accesses(ben) == []


async def test_page_with_several_patients_adds_an_entry_for_each(service: Service) -> None:
    patients = [new_patient(service) for _ in range(3)]
    location = await bookable_location(service)
    for patient, start in zip(patients, (NINE, HALF_PAST_NINE, TEN), strict=True):
        await patient.book(location, start)
    for _ in range(2):
        await staff_client(service).get(f"/v1/appointments?provider_location={location}")
    assert [len(await accesses(patient)) for patient in patients] == [2, 2, 2]
    key = load_audit_key(AuditSettings(audit_key="A" * 43), "scheduling")
    heads, faults = await verify_trail(service.database, key)
    assert (sum(head.seq for head in heads), faults) == (6, [])


async def test_accesses_are_paginated(service: Service) -> None:
    ada, staff = new_patient(service), staff_client(service)
    appointment = await ada.book(await bookable_location(service))
    for _ in range(3):
        await staff.get(f"/v1/appointments/{appointment['id']}")
    newest = await accesses(ada, limit=2)
    oldest = await accesses(ada, limit=2, before=newest[-1]["seq"])
    assert [e["seq"] for e in newest + oldest] == [3, 2, 1]


async def test_refused_requests_are_not_recorded(service: Service) -> None:
    ada, ben = new_patient(service), new_patient(service)
    appointment = await ada.book(await bookable_location(service))
    assert (await ben.get(f"/v1/appointments/{appointment['id']}")).status_code == 404
    assert (await staff_client(service).act(appointment, "completed")).status_code == 409
    assert await count_entries(service) == 0


async def test_admin_needs_a_purpose_which_is_recorded(service: Service) -> None:
    ada, admin = new_patient(service), Client(service, ADMIN)
    location = await bookable_location(service)
    appointment = await ada.book(location)
    for path in (f"/v1/appointments/{appointment['id']}", f"/v1/appointments?provider_location={location}"):
        refused = await admin.get(path)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "Purpose-Of-Use")
    assert (await admin.act(appointment, "confirm")).status_code == 422
    assert await accesses(ada) == []
    assert (await Client(service, AS_OPERATIONS).get(f"/v1/appointments/{appointment['id']}")).status_code == 200
    (entry,) = await accesses(ada)
    assert (entry["roles"], entry["purpose"]) == (["admin"], "HOPERAT")


async def test_calendar_feed_of_a_practice_is_an_access_unless_the_client_knows_it(service: Service) -> None:
    ada, staff = new_patient(service), staff_client(service)
    location = await bookable_location(service)
    await ada.book(location)
    identifier, path = await create_feed(staff, provider_location_id=location)
    first = await service.client.get(path)
    assert (await service.client.get(path, headers={"If-None-Match": first.headers["ETag"]})).status_code == 304
    (entry,) = await accesses(ada)
    assert (entry["deed"], entry["what"], entry["roles"]) == ("read", f"calendar-feed/{identifier}", ["staff"])
    _, own = await create_feed(ada)
    await service.client.get(own)
    assert len(await accesses(ada)) == 1


async def test_trail_is_verified_with_the_services_own_key(service: Service) -> None:
    ada, staff = new_patient(service), staff_client(service)
    appointment = await ada.book(await bookable_location(service))
    await staff.get(f"/v1/appointments/{appointment['id']}")
    settings = AuditSettings(audit_key="A" * 43)
    _, faults = await verify_trail(service.database, load_audit_key(settings, "scheduling"))
    assert faults == []
    _, faults = await verify_trail(service.database, load_audit_key(settings, "reviews"))
    assert len(faults) == 1


@pytest.mark.parametrize("text", ["", "Kx81-Qp", "Kx81-Qp" * 4])
def test_invalid_audit_key_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(AuditKeyError) as caught:
        load_audit_key(AuditSettings(audit_key=text), "scheduling")
    assert not text or text not in str(caught.value)


def test_local_audit_key_is_created_once(tmp_path: Any) -> None:
    settings = AuditSettings(audit_key_file=tmp_path / "keys" / "audit")
    with pytest.raises(AuditKeyError, match="millrace init"):
        load_audit_key(settings, "scheduling")
    create_local_audit_key(settings)
    key = load_audit_key(settings, "scheduling")
    create_local_audit_key(settings)
    assert load_audit_key(settings, "scheduling") == key
    assert settings.audit_key_file.stat().st_mode & 0o777 == 0o600
