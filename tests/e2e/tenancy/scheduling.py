"""Scheduling: openings are public; patients have their holds and visits, the place's staff its calendar and visits."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.tenancy import visits
from tests.e2e.tenancy.rows import Actor, Ids, Row, Thing, World, everyone, only

ANY_VERSION = {"If-Match": "*"}
PLACE = frozenset({"provider_location_id"})
APPOINTMENT = frozenset({"appointment_id"})


def practice(status: int) -> Mapping[Actor, int]:
    """The place's staff and administrators."""
    return only(status, Actor.STAFF, Actor.ADMIN, others=404)


def parties(status: int) -> Mapping[Actor, int]:
    """Both sides of an appointment."""
    return only(status, Actor.PATIENT, Actor.STAFF, Actor.ADMIN, others=404)


def reports(status: int) -> Mapping[Actor, int]:
    """What only the practice says; patients and support are refused for their role."""
    return {**only(status, Actor.STAFF, Actor.ADMIN, others=403), Actor.OTHER_STAFF: 404}


def own(status: int) -> Mapping[Actor, int]:
    """The patient's alone, among patients."""
    return {**only(status, Actor.PATIENT, others=403), Actor.OTHER_PATIENT: 404}


def any_patient(status: int) -> Mapping[Actor, int]:
    return only(status, Actor.PATIENT, Actor.OTHER_PATIENT, others=403)


def place(world: World) -> Thing:
    return Thing({"provider_location_id": visits.place(world)["provider_location_id"]})


def queried_place(world: World) -> Thing:
    return Thing({"provider_location": visits.place(world)["provider_location_id"]})


def time_at_place(world: World) -> Thing:
    return Thing({**place(world).ids, "start": visits.free_time()})


def queried_time(world: World) -> Thing:
    return Thing({**queried_place(world).ids, "start": visits.free_time()})


def npi(world: World) -> Thing:
    return Thing({**place(world).ids, "npi": visits.place(world)["npi"]})


def hold(world: World) -> Thing:
    patient = visits.somebody(world)
    return Thing({"hold_id": visits.held(world, patient)}, owner=patient)


def appointment(world: World) -> Thing:
    return Thing({"appointment_id": visits.booked(world)})


def kept_appointment(world: World) -> Thing:
    """One that the operation leaves as it is."""
    return Thing({"appointment_id": world.once("appointment", lambda: visits.booked(world))})


def arrived(world: World) -> Thing:
    return Thing({"appointment_id": visits.arrived(world)})


def move(world: World) -> Thing:
    return Thing({"appointment_id": visits.booked(world), "start": visits.free_time()})


def entry(world: World) -> Thing:
    made = world.create("scheduling", "/v1/waitlist", waiting(place(world).ids), Actor.PATIENT)
    return Thing({"entry_id": made["id"]})


def feed(world: World) -> Thing:
    made = world.create("scheduling", "/v1/appointments/feeds", {}, Actor.PATIENT)
    secret = made["path"].rpartition("/")[2].removesuffix(".ics")
    return Thing({"feed_id": made["feed"]["id"], "secret": secret})


def waiting(ids: Ids) -> dict[str, Any]:
    """Days behind the horizon, so that nothing is offered meanwhile."""
    day = str((datetime.now(UTC) + timedelta(days=2 * visits.DAYS_AHEAD)).date())
    return {"provider_location_id": ids["provider_location_id"], "from": day, "to": day}


def time(ids: Ids) -> dict[str, Any]:
    return {"provider_location_id": ids["provider_location_id"], "start": ids["start"]}


def calendar(_ids: Ids) -> Mapping[str, Any]:
    return visits.CALENDAR


CALENDAR = "/v1/calendars/{provider_location_id}"
A = "/v1/appointments/{appointment_id}"
QUERIED = frozenset({"provider_location"})

ROWS: dict[str, Row] = {
    "GET /v1/availability": Row(everyone(200), queried_place, query=("provider_location",), unknown=200),
    "GET /v1/availability/stream": Row(everyone(200), queried_place, query=("provider_location",), unknown=200),
    "GET /v1/availability/explain": Row(
        everyone(200), queried_time, query=("provider_location", "start"), tenants=QUERIED
    ),
    f"GET {CALENDAR}": Row(practice(200), place),
    f"PUT {CALENDAR}": Row(practice(200), place, body=calendar, headers=ANY_VERSION),
    f"DELETE {CALENDAR}": Row(practice(204), place, headers=ANY_VERSION),
    "POST /v1/holds": Row(any_patient(201), time_at_place, body=time, tenants=PLACE),
    "GET /v1/holds/{hold_id}": Row(own(200), hold),
    "POST /v1/holds/{hold_id}/extend": Row(own(200), hold),
    "DELETE /v1/holds/{hold_id}": Row(own(204), hold),
    "POST /v1/appointments": Row(own(201), hold, body=lambda ids: {"hold_id": ids["hold_id"]}),
    "GET /v1/appointments": Row(practice(200), queried_place, query=("provider_location",)),
    f"GET {A}": Row(parties(200), kept_appointment),
    f"GET {A}/calendar.ics": Row(parties(200), kept_appointment),
    f"POST {A}/confirm": Row(parties(200), appointment),
    f"POST {A}/cancel": Row(parties(200), appointment, body=lambda _: {"reason": "other"}),
    f"POST {A}/reschedule": Row(parties(200), move, body=lambda ids: {"start": ids["start"]}, tenants=APPOINTMENT),
    f"POST {A}/arrived": Row(reports(200), appointment),
    f"POST {A}/completed": Row(reports(200), arrived),
    # Nobody has missed a visit that hasn't begun, and none can be booked in the past.
    f"POST {A}/no_show": Row(reports(409), kept_appointment),
    "POST /v1/appointments/feeds": Row(
        practice(201), place, body=lambda ids: {"provider_location_id": ids["provider_location_id"]}
    ),
    "GET /v1/appointments/feeds/{secret}.ics": Row(
        everyone(200), feed, makers={"secret": lambda: secrets.token_urlsafe(32)}
    ),
    "DELETE /v1/appointments/feeds/{feed_id}": Row(only(204, Actor.PATIENT, others=404), feed),
    "POST /v1/waitlist": Row(any_patient(201), place, body=waiting),
    "DELETE /v1/waitlist/{entry_id}": Row(own(204), entry),
}
