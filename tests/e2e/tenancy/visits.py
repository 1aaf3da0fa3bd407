"""Creates calendars, holds, appointments and reviews at the practice of STAFF by requests to the services."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.tenancy import directory
from tests.e2e.tenancy.rows import Actor, Ids, World, new_idempotency_key
from tests.support.accounts import Account
from tests.support.platform import wait_for
from tests.support.visits import begin_visit

FEED_SECONDS = 30.0
"""Seconds within which one service must have consumed an event of another."""
DAYS_AHEAD = 14
HOLDS = 3
"""Holds per patient; the platform limits them."""
STEP = timedelta(minutes=15)
_steps = itertools.count()
_holds = itertools.count()

CALENDAR: Mapping[str, Any] = {
    "weekly_hours": [
        {"weekday": day, "opens": "00:00", "closes": "24:00"}
        for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    ],
    "visit_types": [{"id": "visit", "name": "Visit", "minutes": 15}],
    "horizon_days": DAYS_AHEAD,
}
"""A calendar that is open at any hour."""


def provider_location(world: World) -> Ids:
    """Return the ids of a provider-location of the practice that has a calendar."""
    ids = world.once("provider location", lambda: directory.provider_location(world).ids)
    path = f"{world.url('scheduling')}/v1/calendars/{ids['provider_location_id']}"
    headers = {**world.actors[Actor.STAFF].headers, "If-Match": "*"}

    def is_open() -> bool:
        response = world.http.put(path, json=CALENDAR, headers=headers)
        assert response.is_success or response.status_code == 404, response.text
        return response.is_success

    wait_for(is_open, seconds=FEED_SECONDS, what="the provider-location to reach scheduling")
    return ids


def free_time() -> str:
    """Return a start from tomorrow on, in ISO 8601; each call returns another one."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
    return (tomorrow + next(_steps) * STEP).isoformat()


def new_patient(world: World) -> Account:
    """Return a patient who has fewer holds than the platform allows."""
    name = f"booking-{next(_holds) // HOLDS}"
    return world.once(name, lambda: world.accounts.patient(name))


def create_hold(world: World, patient: Account) -> str:
    """Return the id of a new hold of the patient."""
    body = {"provider_location_id": provider_location(world)["provider_location_id"], "start": free_time()}
    return str(world.create_as(patient, "scheduling", "/v1/holds", body)["id"])


def book_appointment(world: World) -> str:
    """Return the id of a new appointment of PATIENT."""
    patient = world.actors[Actor.PATIENT]
    body = {"hold_id": create_hold(world, patient)}
    return str(world.create_as(patient, "scheduling", "/v1/appointments", body)["id"])


def begin(world: World) -> str:
    """Return the id of a new appointment of PATIENT whose visit has begun."""
    appointment = book_appointment(world)
    begin_visit(world.platform, appointment)
    return appointment


def arrive(world: World) -> str:
    return _report(world, begin(world), "arrived")


def complete(world: World) -> str:
    return _report(world, arrive(world), "completed")


def _report(world: World, appointment: str, step: str) -> str:
    world.create_as(world.actors[Actor.STAFF], "scheduling", f"/v1/appointments/{appointment}/{step}")
    return appointment


def review_visit(world: World) -> str:
    """Return the id of PATIENT's review of a completed visit."""
    patient = world.actors[Actor.PATIENT]
    body = {"appointment_id": complete(world), "overall": 5, "bedside_manner": 5, "wait_time": 4}

    def submit() -> str | None:
        headers = {**patient.headers, **new_idempotency_key()}
        response = world.http.post(f"{world.url('reviews')}/v1/reviews", json=body, headers=headers)
        # reviews may not know yet that the visit is completed.
        assert response.status_code in (201, 404, 422), response.text
        return str(response.json()["id"]) if response.status_code == 201 else None

    return wait_for(submit, seconds=FEED_SECONDS, what="the visit to reach reviews")
