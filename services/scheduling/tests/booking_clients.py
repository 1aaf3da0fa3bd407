"""Concurrent clients that hold, book, move and cancel, and record the outcome of each operation.

Each booking has its own patient, so that the final bookings can be identified by patient.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import httpx

from .booking_history import Operation, Outcome, Slot

KEY_IN_USE: Final = "urn:millrace:problem:idempotency-key-in-use"
REPETITIONS: Final = 6
"""How often a persistent client repeats a request of unknown outcome."""


def outcome_of(response: httpx.Response | None) -> Outcome:
    """Return what a client can conclude from a response; None if there was none."""
    if response is None or response.status_code >= 500:
        return Outcome.UNKNOWN
    if response.is_success:
        return Outcome.OK
    return Outcome.UNKNOWN if response.json().get("type") == KEY_IN_USE else Outcome.FAIL


def slot_at(provider: str, start: datetime, minutes: int) -> Slot:
    begin = int(start.timestamp()) // 60
    return Slot(provider, begin, begin + minutes)


@dataclass
class Clients:
    """Clients that compete for the given starts at one provider-location. `token_of` returns a patient's headers."""

    client: httpx.AsyncClient
    token_of: Callable[[str], Mapping[str, str]]
    location: str
    provider: str
    starts: Sequence[datetime]
    minutes: int
    rng: random.Random
    operations: list[Operation] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    pause: float = 0.0
    """Seconds between repetitions of a request."""

    async def run(self, *, bookings: int, at_once: int) -> None:
        """Make `bookings` bookings, `at_once` of them concurrently."""
        waiting = [UUID(int=self.rng.getrandbits(128), version=4) for _ in range(bookings)]

        async def work() -> None:
            while waiting:
                await self._make_booking(str(waiting.pop()))

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())

    def slot(self, start: datetime) -> Slot:
        return slot_at(self.provider, start, self.minutes)

    async def _make_booking(self, patient: str) -> None:
        """Hold, book, move and cancel for one patient; stop at a step that isn't known to have succeeded."""
        start = self.rng.choice(self.starts)
        hold = {"provider_location_id": self.location, "start": start.isoformat()}
        held = await self._operate(patient, self.slot(start), "POST", "/v1/holds", hold)
        if held is None:
            return
        if self.rng.random() < 0.2:
            await self._operate(patient, None, "DELETE", f"/v1/holds/{held['id']}")
            return
        booked = await self._operate(patient, self.slot(start), "POST", "/v1/appointments", {"hold_id": held["id"]})
        if booked is None:
            return
        path = f"/v1/appointments/{booked['id']}"
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            to = self.rng.choice(self.starts)
            await self._operate(patient, self.slot(to), "POST", f"{path}/reschedule", {"start": to.isoformat()})
        if self.rng.random() < 0.6:
            await self._operate(patient, None, "POST", f"{path}/cancel", {"reason": "other"})

    async def _operate(
        self, patient: str, to: Slot | None, method: str, path: str, body: Any = None
    ) -> dict[str, Any] | None:
        """Send a request and record its outcome; return the resource if it succeeded.

        Of unknown outcomes most clients repeat the request, some give up.
        """
        key = str(UUID(int=self.rng.getrandbits(128), version=4))
        headers = {**self.token_of(patient), "Idempotency-Key": key, "X-Forwarded-For": _address_of(patient)}
        for _ in range(REPETITIONS if self.rng.random() < 0.7 else 1):
            started = time.monotonic()
            response = await self._send(method, path, body, headers)
            outcome = outcome_of(response)
            self.operations.append(Operation(patient, to, outcome, started, time.monotonic()))
            if outcome is not Outcome.UNKNOWN:
                return (response.json() if response and response.content else {}) if outcome is Outcome.OK else None
            await asyncio.sleep(self.pause)
        return None

    async def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> httpx.Response | None:
        try:
            response = await self.client.request(method, path, json=body, headers=headers)
        except httpx.TransportError:
            return None
        self.statuses[response.status_code] += 1
        return response


def _address_of(patient: str) -> str:
    """Return an address in a network of the patient's own, so that limits per address don't apply."""
    return f"2001:db8:{patient[:4]}:{patient[4:8]}::1"
