"""Clients that repeatedly hold and book a time, in their own process.

`python -m tests.bench.booking_load` reads a `Load` on stdin, and writes a `Report`. Closed loop: each client has one
connection and begins the next booking when the last one is done, or when the next is due at the load's rate.
"""

import asyncio
import itertools
import sys
import time
from typing import Any
from uuid import uuid4

import msgspec
import uvloop

from tests.bench.client import Client, run_load


class Opening(msgspec.Struct, frozen=True):
    """A time that can be booked at a provider-location, with one of its visit modes and kinds of patient."""

    provider_location: str
    start: str
    mode: str
    patient: str


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The load of one client per token. The first `warm_up` seconds aren't measured.

    `rate` is the maximum number of bookings per second of all clients together; 0 for no limit.
    """

    port: int
    tokens: list[str]
    openings: list[Opening]
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
        self._openings = iter(load.openings)
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
            for number, token in enumerate(self._load.tokens):
                group.create_task(self._client(token, number, begin, end))
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

    async def _client(self, token: str, number: int, begin: float, end: float) -> None:
        # Each client has its own source address, so that limits by address don't apply.
        address = f"10.0.{number // 250}.{number % 250}"
        client = Client(self._load.port, {"Authorization": f"Bearer {token}", "X-Forwarded-For": address})
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
        opening = msgspec.to_builtins(next(self._openings))
        body = {"provider_location_id": opening.pop("provider_location"), **opening}
        status, hold = await _post(client, "/v1/holds", body, requests)
        if status == 409:
            return False
        if status != 201:
            raise RuntimeError(f"a hold got status {status}: {hold}")
        status, booked = await _post(client, "/v1/appointments", {"hold_id": hold["id"]}, requests)
        if status != 201:
            raise RuntimeError(f"a booking got status {status}: {booked}")
        return True


async def _post(client: Client, path: str, body: object, requests: list[float]) -> tuple[int, Any]:
    began = time.perf_counter()
    response = await client.post(path, body, {"Idempotency-Key": str(uuid4())})
    requests.append(time.perf_counter() - began)
    return response


def _percentile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] * 1000 if values else float("nan")


def spread(found: list[Opening]) -> list[Opening]:
    """Interleave the openings of all provider-locations, so that clients don't compete for one."""
    by_provider_location: dict[str, list[Opening]] = {}
    for opening in found:
        by_provider_location.setdefault(opening.provider_location, []).append(opening)
    rows = itertools.zip_longest(*by_provider_location.values())
    return [opening for row in rows for opening in row if opening is not None]


if __name__ == "__main__":
    report = uvloop.run(Run(msgspec.json.decode(sys.stdin.buffer.read(), type=Load)).run())
    sys.stdout.buffer.write(msgspec.json.encode(report))
