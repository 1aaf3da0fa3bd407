"""A fast HTTP load generator that runs in its own process, so that it doesn't share an interpreter with the service.

Closed loop: each connection sends the next request after each response. Open loop: requests are due at random times of
a given rate, regardless of responses; latency counts from the due time, so that a stall affects every delayed request
(coordinated omission). `python -m tests.bench.search_load` reads a `Load` on stdin, and writes a `Report`.
"""

import asyncio
import random
import sys
import time
from collections import deque
from collections.abc import Iterator
from itertools import cycle, islice
from typing import cast

import msgspec
import uvloop

from tests.bench.client import run_load


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """GET requests of `paths` in turn from index `first` on, in an open loop if `rate` (requests/s) is given."""

    port: int
    paths: list[str]
    first: int
    connections: int
    seconds: float
    rate: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Results of a load. Latencies are in milliseconds."""

    requests: int
    failures: int
    per_second: float
    body_bytes: float
    p50: float
    p99: float
    p999: float


def measure(load: Load) -> Report:
    """Run a load in its own process and return its report; raise RuntimeError if a request failed."""
    report = run_load(__name__, load, Report, timeout=load.seconds + 30)
    if report.failures:
        raise RuntimeError(f"{report.failures} of {report.requests} requests failed")
    return report


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._received = bytearray()
        self._missing = -1
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._run.idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.stop()

    def send(self, request: bytes, due: float) -> None:
        self._due = due
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._missing >= 0:
            self._missing -= len(data)
        else:
            self._received += data
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._received[:end]).lower()
            at = head.index(b"content-length:") + 15
            length = int(head[at : head.find(b"\r", at) if head.find(b"\r", at) > 0 else len(head)])
            self._run.body_bytes += length
            self._run.failures += not head.startswith(b"http/1.1 200")
            self._missing = length - (len(self._received) - end - 4)
            self._received.clear()
        if self._missing <= 0:
            self._missing = -1
            self._run.latencies.append(time.perf_counter() - self._due)
            self._run.idle(self)


class Run:
    """One measurement of a load."""

    def __init__(self, load: Load) -> None:
        self.latencies: list[float] = []
        self.failures = 0
        self.body_bytes = 0
        self._load = load
        self._requests = _requests(load)
        self._idle: list[Connection] = []
        self._due: deque[float] = deque()
        self._over = asyncio.Event()
        self._arrivals = random.Random(load.first)
        self._next = 0.0

    async def run(self) -> Report:
        loop = asyncio.get_running_loop()
        opening = [
            loop.create_connection(lambda: Connection(self), "127.0.0.1", self._load.port)
            for _ in range(self._load.connections)
        ]
        started = time.perf_counter()
        self._next = started
        connections = [connection for _, connection in await asyncio.gather(*opening)]
        if self._load.rate is not None:
            self._arrive()
        loop.call_later(self._load.seconds, self.stop)
        await self._over.wait()
        elapsed = time.perf_counter() - started
        for connection in connections:
            connection.close()
        return self._report(elapsed)

    def stop(self) -> None:
        self._over.set()

    def idle(self, connection: Connection) -> None:
        if self._over.is_set():
            return
        if self._load.rate is None:
            connection.send(next(self._requests), time.perf_counter())
        elif self._due:
            connection.send(next(self._requests), self._due.popleft())
        else:
            self._idle.append(connection)

    def _arrive(self) -> None:
        """Send all due requests; schedule the next call for the next due time."""
        assert self._load.rate is not None
        if self._over.is_set():
            return
        while self._next <= time.perf_counter():
            if self._idle:
                self._idle.pop().send(next(self._requests), self._next)
            else:
                self._due.append(self._next)
            self._next += self._arrivals.expovariate(self._load.rate)
        asyncio.get_running_loop().call_later(max(0.0, self._next - time.perf_counter()), self._arrive)

    def _report(self, elapsed: float) -> Report:
        ordered = sorted(self.latencies) or [float("nan")]

        def percentile(share: float) -> float:
            return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

        return Report(
            requests=len(self.latencies),
            failures=self.failures,
            per_second=len(self.latencies) / elapsed,
            body_bytes=self.body_bytes / max(1, len(self.latencies)),
            p50=percentile(0.5),
            p99=percentile(0.99),
            p999=percentile(0.999),
        )


def _requests(load: Load) -> Iterator[bytes]:
    for path in islice(cycle(load.paths), load.first, None):
        yield f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{load.port}\r\nAccept: application/json\r\n\r\n".encode()


if __name__ == "__main__":
    report = uvloop.run(Run(msgspec.json.decode(sys.stdin.buffer.read(), type=Load)).run())
    sys.stdout.buffer.write(msgspec.json.encode(report))
