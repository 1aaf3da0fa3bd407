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


class Opening(msgspec.Struct, frozen=True):
    """A time that can be booked."""

    place: str
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


class Client:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, number: int) -> None:
        self._reader = reader
        self._writer = writer
        self._head = (
            f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"X-Forwarded-For: 10.0.{number // 250}.{number % 250}\r\n"
        )
        self.requests: list[float] = []

    async def post(self, path: str, body: object) -> tuple[int, Any]:
        """POST and return status and body of the response."""
        content = msgspec.json.encode(body)
        head = (
            f"POST {path} HTTP/1.1\r\n{self._head}Idempotency-Key: {uuid4()}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        began = time.perf_counter()
        self._writer.write(head.encode() + content)
        received = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        at = received.index(b"content-length:") + 15
        answer = await self._reader.readexactly(int(received[at : received.index(b"\r", at)]))
        self.requests.append(time.perf_counter() - began)
        return int(received[9:12]), msgspec.json.decode(answer)


class Run:
    """One measurement."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._openings = iter(load.openings)
        self._turns = itertools.count()
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
        reader, writer = await asyncio.open_connection("127.0.0.1", self._load.port)
        client = Client(reader, writer, token, number)
        while (started := await self._due()) < end:
            before = len(client.requests)
            booked = await self._book(client)
            done = time.perf_counter()
            if started >= begin and done <= end:
                self._requests += client.requests[before:]
                if booked:
                    self._bookings.append(done - started)
                else:
                    self._refused += 1
        writer.close()

    async def _due(self) -> float:
        """Wait until the next booking is due; return the current time."""
        if self._load.rate:
            await asyncio.sleep(self._began + next(self._turns) / self._load.rate - time.perf_counter())
        return time.perf_counter()

    async def _book(self, client: Client) -> bool:
        """Book the next opening; return False if it was taken. Raise RuntimeError on an unexpected response."""
        opening = next(self._openings)
        wanted = {
            "provider_location_id": opening.place,
            "start": opening.start,
            "mode": opening.mode,
            "patient": opening.patient,
        }
        status, held = await client.post("/v1/holds", wanted)
        if status == 409:
            return False
        if status != 201:
            raise RuntimeError(f"a hold was answered with {status}: {held}")
        status, booked = await client.post("/v1/appointments", {"hold_id": held["id"]})
        if status != 201:
            raise RuntimeError(f"a booking was answered with {status}: {booked}")
        return True


def _percentile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] * 1000 if values else float("nan")


def spread(found: list[Opening]) -> list[Opening]:
    """Interleave the openings of all provider-locations, so that clients don't compete for one."""
    by_place: dict[str, list[Opening]] = {}
    for opening in found:
        by_place.setdefault(opening.place, []).append(opening)
    rounds = itertools.zip_longest(*by_place.values())
    return [opening for turn in rounds for opening in turn if opening is not None]


def main() -> None:
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    report = uvloop.run(Run(load).run())
    sys.stdout.buffer.write(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
