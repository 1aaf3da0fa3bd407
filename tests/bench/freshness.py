"""Time from a commit in the directory until a search shows the change, idle and under a steady load."""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from tests.bench.change_load import Load, Report, Target
from tests.bench.client import Client

ROOT: Final = Path(__file__).parents[2]
CHANGES_PER_SECOND: Final = 200
SAMPLES: Final = 120
SAMPLERS: Final = 2
"""Changes that are watched concurrently."""
POLL_SECONDS: Final = 0.02
VISIBLE_WITHIN: Final = 10.0
WARM_UP: Final = 3.0
PROBES: Final = 20
_phones = itertools.count(2_025_550_000)


@dataclass(frozen=True, slots=True)
class Places:
    """Base URLs of the services, and the headers of an administrator."""

    directory: str
    search: str
    headers: Mapping[str, str]


async def freshness(places: Places) -> dict[str, dict[str, float]]:
    """Return milliseconds by situation ("idle", "under load") and percentile.

    A sample changes the phone number of a provider-location and polls its search page until the card shows it; the
    clock starts with the directory's response, after the commit. Needs a loaded platform on loopback.
    """
    targets = await _targets(places)
    probes, load = targets[:PROBES], targets[PROBES:]
    idle = await _sample(places, probes)
    async with _changing(places, load) as reports:
        await asyncio.sleep(WARM_UP)
        busy = await _sample(places, probes)
    (report,) = reports
    if report.refused:
        raise RuntimeError(f"{report.refused} changes were refused")
    return {"idle": idle, "under load": {**busy, "per_second": report.per_second}}


async def _targets(places: Places) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=places.directory, timeout=10) as client:
        listed = await client.get("/v1/directory/provider-locations", params={"limit": 100})
        targets: list[dict[str, Any]] = listed.raise_for_status().json()["items"]
        while (following := listed.links.get("next")) and len(targets) < 1000:
            listed = await client.get(following["url"])
            targets.extend(listed.raise_for_status().json()["items"])
        return targets


async def _sample(places: Places, probes: list[dict[str, Any]]) -> dict[str, float]:
    taken: list[float] = []
    numbers = iter(range(SAMPLES))

    async def work(own: list[dict[str, Any]]) -> None:
        writer = Client(port_of(places.directory), places.headers)
        reader = Client(port_of(places.search))
        for _, probe in zip(numbers, itertools.cycle(own), strict=False):
            taken.append(await _visible_after(writer, reader, probe))
        writer.close()
        reader.close()

    async with asyncio.TaskGroup() as group:
        for number in range(SAMPLERS):
            group.create_task(work(probes[number::SAMPLERS]))
    return percentiles(taken)


def percentiles(taken: list[float]) -> dict[str, float]:
    """Return the percentiles of measured milliseconds."""
    taken = sorted(taken)
    return {
        "p50_ms": taken[len(taken) // 2],
        "p99_ms": taken[min(len(taken) - 1, int(len(taken) * 0.99))],
        "max_ms": taken[-1],
        "samples": len(taken),
    }


async def _visible_after(writer: Client, reader: Client, probe: dict[str, Any]) -> float:
    phone = await _change(writer, probe)
    committed = time.perf_counter()
    query = {"specialty": probe["taxonomy"], "near": probe["address"]["zip"][:5], "radius_mi": 1, "limit": 50}
    path = f"/v1/search?{urlencode(query)}"
    while time.perf_counter() - committed < VISIBLE_WITHIN:
        status, found = await reader.request("GET", path)
        if status != httpx.codes.OK:
            raise RuntimeError(f"a search was answered with {status}")
        if phone.encode() in found:
            return (time.perf_counter() - committed) * 1000
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"provider-location {probe['id']} was not visible within {VISIBLE_WITHIN:.0f} s")


async def _change(writer: Client, target: dict[str, Any]) -> str:
    """Give a provider-location a new phone number; return it as the card shows it."""
    digits = str(next(_phones))
    status, answer = await writer.request(
        "PATCH",
        f"/v1/directory/provider-locations/{target['id']}",
        {"phone": digits},
        {"If-Match": f'"{target["version"]}"', "Content-Type": "application/merge-patch+json"},
    )
    if status != httpx.codes.OK:
        raise RuntimeError(f"a change was answered with {status}")
    target["version"] = msgspec.json.decode(answer)["version"]
    return "+1" + digits


@asynccontextmanager
async def _changing(places: Places, targets: list[dict[str, Any]]) -> AsyncIterator[list[Report]]:
    """Change provider-locations at a steady rate during the block; afterwards the list contains the report."""
    load = Load(
        port=port_of(places.directory),
        authorization=places.headers["Authorization"],
        targets=[Target(target["id"], target["version"]) for target in targets],
        rate=CHANGES_PER_SECOND,
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.change_load",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(load) + b"\n")
    reports: list[Report] = []
    try:
        yield reports
    finally:
        process.stdin.close()
        answer, _ = await asyncio.wait_for(process.communicate(), 30)
        reports.extend(_reports(answer))


def _reports(answer: bytes) -> Iterator[Report]:
    if answer:
        yield msgspec.json.decode(answer, type=Report)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"{url} has no port")
    return port
