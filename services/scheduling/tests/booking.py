"""HTTP clients of patients and staff for the tests of bookings."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from .running import CALENDAR, STAFF, Service, bearer

NINE, HALF_PAST_NINE, TEN, ELEVEN = (f"2026-11-19T{clock}:00-05:00" for clock in ("09:00", "09:30", "10:00", "11:00"))
"""Starts on Thursday, the day after the clock's initial time, in New York."""


def key(value: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": value or str(uuid4())}


@dataclass
class Client:
    """A caller. `address` is the client's IP address, by default unique, so that only limits per patient apply."""

    service: Service
    headers: dict[str, str]
    id: str = ""
    address: str = field(default_factory=lambda: f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1")

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {**self.headers, "X-Forwarded-For": self.address, **key(), **headers}
        return await self.service.client.post(path, json=body, headers=sent)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.service.client.get(path, headers={**self.headers, **headers})

    async def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.service.client.put(path, json=body, headers={**self.headers, **headers})

    async def delete(self, path: str) -> httpx.Response:
        return await self.service.client.delete(path, headers=self.headers)

    async def hold(self, location: str, start: str = NINE, *, idempotency_key: str | None = None, **more: Any) -> Any:
        body = {"provider_location_id": location, "start": start, **more}
        return await self.post("/v1/holds", body, **key(idempotency_key))

    async def book(self, location: str, start: str = NINE, **more: Any) -> dict[str, Any]:
        """Hold and book a time; return the appointment."""
        held = await self.hold(location, start, **more)
        assert held.status_code == 201, held.text
        booked = await self.post("/v1/appointments", {"hold_id": held.json()["id"]})
        assert booked.status_code == 201, booked.text
        appointment: dict[str, Any] = booked.json()
        return appointment

    async def act(self, appointment: dict[str, Any], action: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.post(f"/v1/appointments/{appointment['id']}/{action}", body, **headers)


def new_patient(service: Service) -> Client:
    """Return the client of a new patient."""
    identifier = str(uuid4())
    return Client(service, bearer("patient", identifier), identifier)


def staff_client(service: Service) -> Client:
    return Client(service, STAFF)


async def bookable_location(service: Service, **changes: Any) -> str:
    """Add a provider-location open from nine to five for visits of 30 minutes; return its id."""
    return await service.add_provider_location(calendar={**CALENDAR, **changes})


async def free_starts(service: Service, location: str, day: str = "2026-11-19", to: str | None = None) -> list[str]:
    """Return the starts that availability lists for these days."""
    query = {"provider_location": location, "from": day, "to": to or day}
    response = await service.client.get("/v1/availability", params=query)
    assert response.status_code == 200, response.text
    return [each["start"] for each in response.json()["provider_locations"][0]["openings"]]
