"""Clients that repeatedly hold and book a time, in their own process.

`python -m tests.bench.booking_load` reads a `Load` on stdin, and writes a `Report`. Closed loop: each client has one
connection and begins the next booking when the last one is done, or when the next is due at the load's rate.
"""

import asyncio
import itertools
import sys
import time
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import msgspec
import uvloop

from tests.bench.client import Client, run_load

APART: Final = timedelta(minutes=90)
"""Distance of two openings of one provider-location, or of one patient, so that their visits don't overlap."""


class Opening(msgspec.Struct, frozen=True):
    """A time that can be booked at a provider-location, with one of its visit modes and kinds of patient."""

    provider_location: str
    start: str
    mode: str
    patient: str


class Booking(msgspec.Struct, frozen=True):
    """An opening that a patient books; `patient` is the index of the token."""

    patient: int
    opening: Opening


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Bookings by so many clients, with the tokens of patients. The first `warm_up` seconds aren't measured.

    `rate` is the maximum number of bookings per second of all clients together; 0 for no limit.
    """

    port: int
    clients: int
    tokens: list[str]
    bookings: list[Booking]
    warm_up: float
    seconds: float
    rate: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Results of a load. Latencies are in milliseconds, of a request and of a booking, which is two requests."""

    bookings: int
    refused: int
    per_second: float
    request_p50: float
    request_p99: float
    booking_p50: float
    booking_p99: float


def measure(load: Load) -> Report:
    """Run a load in its own process and return its report."""
    return run_load(__name__, load, Report, timeout=load.warm_up + load.seconds + 60)


class Run:
    """One measurement of a load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._planned = iter(load.bookings)
        self._numbers = itertools.count()
        self._began = 0.0
        self._bookings: list[float] = []
        self._requests: list[float] = []
        self._refused = 0

    async def run(self) -> Report:
        self._began = time.perf_counter()
        begin = self._began + self._load.warm_up
        end = begin + self._load.seconds
        async with asyncio.TaskGroup() as group:
            for number in range(self._load.clients):
                group.create_task(self._client(number, begin, end))
        requests, bookings = sorted(self._requests), sorted(self._bookings)
        return Report(
            bookings=len(bookings),
            refused=self._refused,
            per_second=len(bookings) / self._load.seconds,
            request_p50=_percentile(requests, 0.5),
            request_p99=_percentile(requests, 0.99),
            booking_p50=_percentile(bookings, 0.5),
            booking_p99=_percentile(bookings, 0.99),
        )

    async def _client(self, number: int, begin: float, end: float) -> None:
        # Each client has its own source address, so that limits by address don't apply.
        address = f"10.0.{number // 250}.{number % 250}"
        client = Client(self._load.port, {"X-Forwarded-For": address})
        while (started := await self._wait_until_due()) < end:
            requests: list[float] = []
            booked = await self._book(client, requests)
            done = time.perf_counter()
            if started >= begin and done <= end:
                self._requests += requests
                if booked:
                    self._bookings.append(done - started)
                else:
                    self._refused += 1
        client.close()

    async def _wait_until_due(self) -> float:
        """Wait until the next booking is due; return the current time."""
        if self._load.rate:
            await asyncio.sleep(self._began + next(self._numbers) / self._load.rate - time.perf_counter())
        return time.perf_counter()

    async def _book(self, client: Client, requests: list[float]) -> bool:
        """Book the next opening; return False if it was taken. Raise RuntimeError on an unexpected response.

        Append the seconds of each request to `requests`.
        """
        planned = next(self._planned)
        opening = msgspec.to_builtins(planned.opening)
        token = self._load.tokens[planned.patient]
        body = {"provider_location_id": opening.pop("provider_location"), **opening}
        status, hold = await _post(client, token, "/v1/holds", body, requests)
        if status == 409:
            return False
        if status != 201:
            raise RuntimeError(f"a hold got status {status}: {hold}")
        status, booked = await _post(client, token, "/v1/appointments", {"hold_id": hold["id"]}, requests)
        if status != 201:
            raise RuntimeError(f"a booking got status {status}: {booked}")
        return True


async def _post(client: Client, token: str, path: str, body: object, requests: list[float]) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
    began = time.perf_counter()
    response = await client.post(path, body, headers)
    requests.append(time.perf_counter() - began)
    return response


def _percentile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] * 1000 if values else float("nan")


def plan(found: Iterable[Opening], patients: int) -> list[Booking]:
    """Give each opening to a patient who has no visit at that time, in turns; leave out those that no patient can take.

    The openings of all provider-locations are interleaved, so that clients don't compete for one.
    """
    visits: list[list[datetime]] = [[] for _ in range(patients)]
    planned: list[Booking] = []
    turn = 0
    for opening in _interleaved(found):
        start = datetime.fromisoformat(opening.start)
        free = (number % patients for number in range(turn, turn + patients))
        patient = next((each for each in free if _is_free(visits[each], start)), None)
        if patient is not None:
            insort(visits[patient], start)
            planned.append(Booking(patient, opening))
            turn = patient + 1
    return planned


def _is_free(visits: Sequence[datetime], start: datetime) -> bool:
    at = bisect_left(visits, start)
    return all(abs(each - start) >= APART for each in visits[max(0, at - 1) : at + 1])


def _interleaved(found: Iterable[Opening]) -> list[Opening]:
    by_provider_location: dict[str, list[Opening]] = {}
    for opening in found:
        by_provider_location.setdefault(opening.provider_location, []).append(opening)
    rows = itertools.zip_longest(*by_provider_location.values())
    return [opening for row in rows for opening in row if opening is not None]


if __name__ == "__main__":
    report = uvloop.run(Run(msgspec.json.decode(sys.stdin.buffer.read(), type=Load)).run())
    sys.stdout.buffer.write(msgspec.json.encode(report))
