"""Visits at a place of the practice, from its calendar to the visit's end, by the services' own APIs."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.tenancy import directory
from tests.e2e.tenancy.rows import Actor, Ids, World, unrepeated
from tests.support.accounts import Account
from tests.support.platform import wait_for

FEED_SECONDS = 30.0
"""How long what one service did may take to be known to another."""
DAYS_AHEAD = 14
HOLDS = 3
"""How many times a patient holds at once."""
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
"""Open at any hour."""


def place(world: World) -> Ids:
    """A provider-location of the practice with a calendar."""
    ids = world.once("place", lambda: directory.provider_location(world).ids)
    path = f"{world.url('scheduling')}/v1/calendars/{ids['provider_location_id']}"
    headers = {**world.actors[Actor.STAFF].headers, "If-Match": "*"}

    def opened() -> bool:
        answer = world.http.put(path, json=CALENDAR, headers=headers)
        assert answer.is_success or answer.status_code == 404, answer.text
        return answer.is_success

    wait_for(opened, seconds=FEED_SECONDS, what="the place's way to scheduling")
    return ids


def free_time() -> str:
    """A start that nobody else is given, from tomorrow on."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
    return (tomorrow + next(_steps) * STEP).isoformat()


def somebody(world: World) -> Account:
    """A patient who can hold one more time: how many one may hold is limited."""
    name = f"booking-{next(_holds) // HOLDS}"
    return world.once(name, lambda: world.accounts.patient(name))


def held(world: World, patient: Account) -> str:
    """The id of a patient's hold."""
    body = {"provider_location_id": place(world)["provider_location_id"], "start": free_time()}
    return str(world.create_as(patient, "scheduling", "/v1/holds", body)["id"])


def booked(world: World) -> str:
    """The id of an appointment of PATIENT's."""
    patient = world.actors[Actor.PATIENT]
    body = {"hold_id": held(world, patient)}
    return str(world.create_as(patient, "scheduling", "/v1/appointments", body)["id"])


def arrived(world: World) -> str:
    return _reported(world, booked(world), "arrived")


def completed(world: World) -> str:
    return _reported(world, arrived(world), "completed")


def _reported(world: World, appointment: str, step: str) -> str:
    world.create_as(world.actors[Actor.STAFF], "scheduling", f"/v1/appointments/{appointment}/{step}")
    return appointment


def reviewed(world: World) -> str:
    """The id of PATIENT's review of a visit."""
    patient = world.actors[Actor.PATIENT]
    body = {"appointment_id": completed(world), "overall": 5, "bedside_manner": 5, "wait_time": 4}

    def taken() -> str | None:
        headers = {**patient.headers, **unrepeated()}
        answer = world.http.post(f"{world.url('reviews')}/v1/reviews", json=body, headers=headers)
        # It is known there, but not yet as completed.
        assert answer.status_code in (201, 404, 422), answer.text
        return str(answer.json()["id"]) if answer.status_code == 201 else None

    return wait_for(taken, seconds=FEED_SECONDS, what="the visit's way to reviews")
