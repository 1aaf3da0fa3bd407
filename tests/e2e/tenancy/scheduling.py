"""Expected statuses of scheduling: patients see their holds and visits, staff those of their practice."""

import itertools
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.tenancy import visits
from tests.e2e.tenancy.rows import Actor, Ids, Row, Thing, World, everyone, only

ANY_VERSION = {"If-Match": "*"}
PROVIDER_LOCATION = frozenset({"provider_location_id"})
APPOINTMENT = frozenset({"appointment_id"})
WAITLIST_DAYS = itertools.count(2 * visits.DAYS_AHEAD)


def practice(status: int) -> Mapping[Actor, int]:
    """Expect `status` for staff of the practice and administrators."""
    return only(status, Actor.STAFF, Actor.ADMIN, others=404)


def parties(status: int) -> Mapping[Actor, int]:
    """Expect `status` for the patient and the practice of an appointment, and for administrators."""
    return only(status, Actor.PATIENT, Actor.STAFF, Actor.ADMIN, others=404)


def reports(status: int) -> Mapping[Actor, int]:
    """Expect `status` for staff of the practice and administrators, 403 for roles that may never report visits."""
    return {**only(status, Actor.STAFF, Actor.ADMIN, others=403), Actor.OTHER_STAFF: 404}


def own(status: int) -> Mapping[Actor, int]:
    """Expect `status` for the patient only."""
    return {**only(status, Actor.PATIENT, others=403), Actor.OTHER_PATIENT: 404}


def any_patient(status: int) -> Mapping[Actor, int]:
    return only(status, Actor.PATIENT, Actor.OTHER_PATIENT, others=403)


def provider_location(world: World) -> Thing:
    return Thing({"provider_location_id": visits.provider_location(world)["provider_location_id"]})


def queried_provider_location(world: World) -> Thing:
    return Thing({"provider_location": visits.provider_location(world)["provider_location_id"]})


def location_of_an_appointment(world: World) -> Thing:
    unchanged_appointment(world)
    return queried_provider_location(world)


def free_time(world: World) -> Thing:
    return Thing({**provider_location(world).ids, "start": visits.free_time()})


def queried_time(world: World) -> Thing:
    return Thing({**queried_provider_location(world).ids, "start": visits.free_time()})


def npi(world: World) -> Thing:
    return Thing({**provider_location(world).ids, "npi": visits.provider_location(world)["npi"]})


def hold(world: World) -> Thing:
    patient = visits.new_patient(world)
    return Thing({"hold_id": visits.create_hold(world, patient)}, owner=patient)


def appointment(world: World) -> Thing:
    return Thing({"appointment_id": visits.book_appointment(world)})


def unchanged_appointment(world: World) -> Thing:
    """Return one appointment for all operations that don't change it."""
    return Thing({"appointment_id": world.once("appointment", lambda: visits.book_appointment(world))})


def begun(world: World) -> Thing:
    return Thing({"appointment_id": visits.begin(world)})


def arrived(world: World) -> Thing:
    return Thing({"appointment_id": visits.arrive(world)})


def move(world: World) -> Thing:
    return Thing({"appointment_id": visits.book_appointment(world), "start": visits.free_time()})


def waitlist_entry(world: World) -> Thing:
    created = world.create("scheduling", "/v1/waitlist", waitlist_body(provider_location(world).ids), Actor.PATIENT)
    return Thing({"entry_id": created["id"]})


def feed(world: World) -> Thing:
    created = world.create("scheduling", "/v1/appointments/feeds", {}, Actor.PATIENT)
    secret = created["path"].rpartition("/")[2].removesuffix(".ics")
    return Thing({"feed_id": created["feed"]["id"], "secret": secret})


def of_practice(world: World) -> Thing:
    provider_location(world)
    return Thing({"practice_id": world.practice})


def waitlist_body(ids: Ids) -> dict[str, Any]:
    """Return a waitlist entry for another day each time, beyond the horizon, where no time is free."""
    day = str((datetime.now(UTC) + timedelta(days=next(WAITLIST_DAYS))).date())
    return {"provider_location_id": ids["provider_location_id"], "from": day, "to": day}


def hold_body(ids: Ids) -> dict[str, Any]:
    return {"provider_location_id": ids["provider_location_id"], "start": ids["start"]}


def calendar_body(_ids: Ids) -> Mapping[str, Any]:
    return visits.CALENDAR


CALENDAR = "/v1/calendars/{provider_location_id}"
APPOINTMENT_PATH = "/v1/appointments/{appointment_id}"
QUERIED = frozenset({"provider_location"})
NO_PATIENT = "no patient's data"
OWN = "the caller's own data"

ROWS: dict[str, Row] = {
    "GET /v1/availability": Row(everyone(200), queried_provider_location, query=("provider_location",), unknown=200),
    "GET /v1/availability/stream": Row(
        everyone(200), queried_provider_location, query=("provider_location",), unknown=200
    ),
    "GET /v1/availability/explain": Row(
        everyone(200), queried_time, query=("provider_location", "start"), tenants=QUERIED
    ),
    f"GET {CALENDAR}": Row(practice(200), provider_location, unrecorded=NO_PATIENT),
    f"PUT {CALENDAR}": Row(
        practice(200), provider_location, body=calendar_body, headers=ANY_VERSION, unrecorded=NO_PATIENT
    ),
    f"DELETE {CALENDAR}": Row(practice(204), provider_location, headers=ANY_VERSION, unrecorded=NO_PATIENT),
    "POST /v1/holds": Row(any_patient(201), free_time, body=hold_body, tenants=PROVIDER_LOCATION, unrecorded=OWN),
    "GET /v1/holds/{hold_id}": Row(own(200), hold),
    "POST /v1/holds/{hold_id}/extend": Row(own(200), hold),
    "DELETE /v1/holds/{hold_id}": Row(own(204), hold),
    "POST /v1/appointments": Row(own(201), hold, body=lambda ids: {"hold_id": ids["hold_id"]}),
    "GET /v1/appointments": Row(practice(200), location_of_an_appointment, query=("provider_location",)),
    f"GET {APPOINTMENT_PATH}": Row(parties(200), unchanged_appointment),
    f"GET {APPOINTMENT_PATH}/calendar.ics": Row(parties(200), unchanged_appointment),
    f"POST {APPOINTMENT_PATH}/confirm": Row(parties(200), appointment),
    f"POST {APPOINTMENT_PATH}/cancel": Row(parties(200), appointment, body=lambda _: {"reason": "other"}),
    f"POST {APPOINTMENT_PATH}/reschedule": Row(
        parties(200), move, body=lambda ids: {"start": ids["start"]}, tenants=APPOINTMENT
    ),
    f"POST {APPOINTMENT_PATH}/arrived": Row(reports(200), begun),
    f"POST {APPOINTMENT_PATH}/completed": Row(reports(200), arrived),
    f"POST {APPOINTMENT_PATH}/no_show": Row(reports(200), begun),
    "POST /v1/appointments/feeds": Row(
        only(201, Actor.STAFF, others=404),
        provider_location,
        body=lambda ids: {"provider_location_id": ids["provider_location_id"]},
        unrecorded=NO_PATIENT,
    ),
    "GET /v1/appointments/feeds": Row(practice(200), of_practice, query=("practice_id",), unrecorded=NO_PATIENT),
    "GET /v1/appointments/feeds/{secret}.ics": Row(
        everyone(200), feed, makers={"secret": lambda: secrets.token_urlsafe(32)}
    ),
    "DELETE /v1/appointments/feeds/{feed_id}": Row(only(204, Actor.PATIENT, others=404), feed),
    "POST /v1/waitlist": Row(any_patient(201), provider_location, body=waitlist_body, unrecorded=OWN),
    "DELETE /v1/waitlist/{entry_id}": Row(own(204), waitlist_entry),
}
