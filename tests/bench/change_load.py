"""Changes of the directory at a steady rate, made by a separate process.

`python -m tests.bench.change_load` reads a `Load` on stdin, changes phone numbers until the end of stdin, and writes a
`Report`. Open loop: a change starts when it is due, even if others are still running.
"""

import asyncio
import itertools
import sys
import time

import msgspec
import uvloop

from tests.bench.client import Client

CONNECTIONS = 16
LONGEST = 120.0
"""Seconds after which the load stops by itself."""


class Target(msgspec.Struct):
    """A provider-location and its current version."""

    id: str
    version: int


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A steady load of changes: `rate` per second, sent with the header `authorization` for `targets` in turn."""

    port: int
    authorization: str
    targets: list[Target]
    rate: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The number of acknowledged and of refused changes, and the acknowledged ones per second."""

    changes: int
    refused: int
    per_second: float


async def change_phone(client: Client, target: Target, digits: str) -> int:
    """Give a provider-location a new phone number and count up its version; return the response's status."""
    path = f"/v1/directory/provider-locations/{target.id}"
    headers = {"If-Match": f'"{target.version}"', "Content-Type": "application/merge-patch+json"}
    status, _ = await client.request("PATCH", path, {"phone": digits}, headers)
    target.version += status == 200
    return status


class Run:
    """One run of a load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._numbers = itertools.count(5_000_000)
        self._due: asyncio.Queue[Target] = asyncio.Queue(maxsize=10 * CONNECTIONS)
        self._changes = 0
        self._refused = 0

    async def until(self, stopped: asyncio.Event) -> Report:
        began = time.perf_counter()
        clients = [Client(self._load.port, {"Authorization": self._load.authorization}) for _ in range(CONNECTIONS)]
        tasks = [asyncio.create_task(self._work(client)) for client in clients]
        tasks.append(asyncio.create_task(self._generate(began)))
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait([*tasks, waiting], timeout=LONGEST, return_when=asyncio.FIRST_COMPLETED)
        seconds = time.perf_counter() - began
        for task in (*tasks, waiting):
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error
        return Report(changes=self._changes, refused=self._refused, per_second=self._changes / seconds)

    async def _generate(self, began: float) -> None:
        for number, target in enumerate(itertools.cycle(self._load.targets)):
            await asyncio.sleep(max(0.0, began + number / self._load.rate - time.perf_counter()))
            await self._due.put(target)

    async def _work(self, client: Client) -> None:
        while True:
            target = await self._due.get()
            if await change_phone(client, target, f"202{next(self._numbers):07d}") == 200:
                self._changes += 1
            else:
                self._refused += 1


async def _main(load: Load) -> Report:
    stopped = asyncio.Event()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    run = asyncio.create_task(Run(load).until(stopped))
    ending = asyncio.create_task(reader.read())
    await asyncio.wait([run, ending], return_when=asyncio.FIRST_COMPLETED)
    stopped.set()
    return await run


if __name__ == "__main__":
    report = uvloop.run(_main(msgspec.json.decode(sys.stdin.buffer.readline(), type=Load)))
    sys.stdout.buffer.write(msgspec.json.encode(report))
