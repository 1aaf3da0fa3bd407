"""Steps of those who book."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from .running import CALENDAR, STAFF, Service, bearer

NINE, HALF_PAST_NINE, TEN, ELEVEN = (f"2026-11-19T{clock}:00-05:00" for clock in ("09:00", "09:30", "10:00", "11:00"))
"""On the Thursday after the clock's Wednesday, in New York."""


def key(value: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": value or str(uuid4())}


@dataclass
class Client:
    """Somebody who calls. `address` is where from: by default one of their own, so that limits are per patient."""

    service: Service
    headers: dict[str, str]
    id: str = ""
    address: str = field(default_factory=lambda: f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1")

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {**self.headers, "X-Forwarded-For": self.address, **key(), **headers}
        return await self.service.client.post(path, json=body, headers=sent)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.service.client.get(path, headers={**self.headers, **headers})

    async def delete(self, path: str) -> httpx.Response:
        return await self.service.client.delete(path, headers=self.headers)

    async def hold(self, place: str, start: str = NINE, *, idempotency_key: str | None = None, **more: Any) -> Any:
        body = {"provider_location_id": place, "start": start, **more}
        return await self.post("/v1/holds", body, **key(idempotency_key))

    async def book(self, place: str, start: str = NINE, **more: Any) -> dict[str, Any]:
        """Hold and book; the appointment."""
        held = await self.hold(place, start, **more)
        assert held.status_code == 201, held.text
        booked = await self.post("/v1/appointments", {"hold_id": held.json()["id"]})
        assert booked.status_code == 201, booked.text
        appointment: dict[str, Any] = booked.json()
        return appointment

    async def act(self, appointment: dict[str, Any], action: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.post(f"/v1/appointments/{appointment['id']}/{action}", body, **headers)


def patient_of(service: Service) -> Client:
    """A new patient."""
    identifier = str(uuid4())
    return Client(service, bearer("patient", identifier), identifier)


def staff_of(service: Service) -> Client:
    return Client(service, STAFF)


async def shop(service: Service, **changes: Any) -> str:
    """A place that is open from nine to five, with visits of half an hour."""
    return await service.place(calendar={**CALENDAR, **changes})


async def times(service: Service, place: str, day: str = "2026-11-19", to: str | None = None) -> list[str]:
    """What is offered on a day."""
    query = {"provider_location": place, "from": day, "to": to or day}
    answer = await service.client.get("/v1/availability", params=query)
    assert answer.status_code == 200, answer.text
    return [each["start"] for each in answer.json()["provider_locations"][0]["openings"]]
