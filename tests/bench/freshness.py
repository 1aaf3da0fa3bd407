"""Time from a commit in the directory until a search shows the change, idle and under a steady load."""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from tests.bench.change_load import Load, Report, Target, change_phone
from tests.bench.client import Client
from tests.support.platform import REPOSITORY

CHANGES_PER_SECOND: Final = 200
SAMPLES: Final = 120
SAMPLERS: Final = 2
"""Changes that are watched concurrently."""
POLL_SECONDS: Final = 0.02
VISIBLE_WITHIN: Final = 10.0
WARM_UP: Final = 3.0
PROBES: Final = 20
"""Provider-locations whose changes are watched."""
LISTED: Final = 1_000
_phones = itertools.count(2_025_550_000)


async def freshness(variables: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return milliseconds by situation ("idle", "under load") and percentile.

    A sample changes the phone number of a provider-location and polls its search page until the card shows it; the
    clock starts with the directory's response, after the commit. Needs a loaded platform on loopback: `variables` are
    those of its `platform.env`, `headers` those of an administrator.
    """
    listed = await provider_locations(variables)
    probes, load = listed[:PROBES], [Target(each["id"], each["version"]) for each in listed[PROBES:]]
    targets = {each["id"]: Target(each["id"], each["version"]) for each in probes}
    directory = port_of(variables, "directory")

    async def visible_after(writer: Client, reader: Client, probe: dict[str, Any]) -> float:
        return await _visible_after(writer, reader, targets[probe["id"]], search_path(probe))

    async def sampled() -> dict[str, float]:
        writers = [Client(directory, headers) for _ in range(SAMPLERS)]
        return await sample(probes, SAMPLES, writers, port_of(variables, "search"), visible_after)

    idle = await sampled()
    async with _changing(directory, headers["Authorization"], load) as reports:
        await asyncio.sleep(WARM_UP)
        busy = await sampled()
    (report,) = reports
    if report.refused:
        raise RuntimeError(f"{report.refused} changes were refused")
    return {"idle": idle, "under load": {**busy, "per_second": report.per_second}}


async def provider_locations(variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return some 1,000 provider-locations of the directory."""
    found: list[dict[str, Any]] = []
    path: str | None = "/v1/directory/provider-locations?limit=100"
    async with httpx.AsyncClient(base_url=variables["MILLRACE_DIRECTORY_URL"], timeout=10) as client:
        while path is not None and len(found) < LISTED:
            page = (await client.get(path)).raise_for_status()
            found += page.json()["items"]
            path = page.links.get("next", {}).get("url")
    return found


async def sample(
    probes: Sequence[dict[str, Any]],
    count: int,
    writers: Sequence[Client],
    search_port: int,
    measure: Callable[[Client, Client, dict[str, Any]], Awaitable[float]],
) -> dict[str, float]:
    """Return the percentiles of `count` measurements in milliseconds; each writer takes its share of the probes.

    `measure` gets a writer, a client of search and a provider-location. Closes the writers.
    """
    taken: list[float] = []
    numbers = iter(range(count))

    async def work(writer: Client, own: Sequence[dict[str, Any]]) -> None:
        reader = Client(search_port)
        for _, probe in zip(numbers, itertools.cycle(own), strict=False):
            taken.append(await measure(writer, reader, probe))
        writer.close()
        reader.close()

    async with asyncio.TaskGroup() as group:
        for number, writer in enumerate(writers):
            group.create_task(work(writer, probes[number :: len(writers)]))
    taken.sort()
    return {"p50_ms": taken[len(taken) // 2], "p99_ms": taken[min(len(taken) - 1, int(len(taken) * 0.99))]}


def search_path(probe: dict[str, Any]) -> str:
    """Return the path of a search that finds this provider-location."""
    query = {"specialty": probe["taxonomy"], "near": probe["address"]["zip"][:5], "radius_mi": 1, "limit": 50}
    return f"/v1/search?{urlencode(query)}"


async def _visible_after(writer: Client, reader: Client, target: Target, path: str) -> float:
    digits = str(next(_phones))
    status = await change_phone(writer, target, digits)
    if status != httpx.codes.OK:
        raise RuntimeError(f"a change got status {status}")
    committed = time.perf_counter()
    while time.perf_counter() - committed < VISIBLE_WITHIN:
        status, found = await reader.request("GET", path)
        if status != httpx.codes.OK:
            raise RuntimeError(f"a search got status {status}")
        if f"+1{digits}".encode() in found:
            return (time.perf_counter() - committed) * 1000
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"provider-location {target.id} was not visible within {VISIBLE_WITHIN:.0f} s")


@asynccontextmanager
async def _changing(port: int, authorization: str, targets: list[Target]) -> AsyncIterator[list[Report]]:
    """Change provider-locations at a steady rate during the block; afterwards the list contains the report."""
    load = Load(port=port, authorization=authorization, targets=targets, rate=CHANGES_PER_SECOND)
    command = (sys.executable, "-m", "tests.bench.change_load")
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(load) + b"\n")
    reports: list[Report] = []
    try:
        yield reports
    finally:
        process.stdin.close()
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        if output:
            reports.append(msgspec.json.decode(output, type=Report))


def port_of(variables: Mapping[str, str], service: str) -> int:
    """Return the port of a service of a platform with these variables; raise ValueError without one."""
    url = variables[f"MILLRACE_{service.upper()}_URL"]
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"{url} has no port")
    return port
