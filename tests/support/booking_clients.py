"""Clients that hold, book, move and cancel all at once, and write down what they saw.

Every booking is that of a patient of its own, so that what is found at the end can be told apart by patient.
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

from tests.support.booking_history import Operation, Outcome, Slot

IN_USE: Final = "urn:millrace:problem:idempotency-key-in-use"
REPETITIONS: Final = 6
"""How often one who wants to know repeats a request whose outcome is unknown."""


def outcome_of(response: httpx.Response | None) -> Outcome:
    """What a client may conclude; None: there was no response."""
    if response is None or response.status_code >= 500:
        return Outcome.UNKNOWN
    if response.is_success:
        return Outcome.OK
    return Outcome.UNKNOWN if response.json().get("type") == IN_USE else Outcome.FAIL


def slot_at(provider: str, start: datetime, minutes: int) -> Slot:
    begin = int(start.timestamp()) // 60
    return Slot(provider, begin, begin + minutes)


@dataclass
class Clients:
    """`token_of` gives the headers of a patient. `starts` are the times they fight for, all at one place."""

    client: httpx.AsyncClient
    token_of: Callable[[str], Mapping[str, str]]
    place: str
    provider: str
    starts: Sequence[datetime]
    minutes: int
    rng: random.Random
    operations: list[Operation] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    pause: float = 0.0
    """Seconds to wait before a repetition."""

    async def run(self, *, bookings: int, at_once: int) -> None:
        """So many bookings, so many of them at once."""
        waiting = [UUID(int=self.rng.getrandbits(128), version=4) for _ in range(bookings)]

        async def work() -> None:
            while waiting:
                await self._booking(str(waiting.pop()))

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())

    def slot(self, start: datetime) -> Slot:
        return slot_at(self.provider, start, self.minutes)

    async def _booking(self, patient: str) -> None:
        """One patient's way: hold, book, move, cancel; each step only where the one before is known to be done."""
        start = self.rng.choice(self.starts)
        hold = {"provider_location_id": self.place, "start": start.isoformat()}
        held = await self._do(patient, self.slot(start), "POST", "/v1/holds", hold)
        if held is None:
            return
        if self.rng.random() < 0.2:
            await self._do(patient, None, "DELETE", f"/v1/holds/{held['id']}")
            return
        booked = await self._do(patient, self.slot(start), "POST", "/v1/appointments", {"hold_id": held["id"]})
        if booked is None:
            return
        path = f"/v1/appointments/{booked['id']}"
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            to = self.rng.choice(self.starts)
            await self._do(patient, self.slot(to), "POST", f"{path}/reschedule", {"start": to.isoformat()})
        if self.rng.random() < 0.6:
            await self._do(patient, None, "POST", f"{path}/cancel", {"reason": "other"})

    async def _do(
        self, patient: str, to: Slot | None, method: str, path: str, body: Any = None
    ) -> dict[str, Any] | None:
        """The resource where the step is known to be done. Some want to know and repeat, some give up."""
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
    """Each patient has a network of their own: limits by address are another test's."""
    return f"2001:db8:{patient[:4]}:{patient[4:8]}::1"
