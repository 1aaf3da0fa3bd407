"""Freshness: from the commit in the directory until a search shows the change, idle and under a steady load."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

CHANGES_PER_SECOND = 200
SAMPLES = 150
VISIBLE_WITHIN = 10.0
phones = itertools.count(2_025_550_000)


async def freshness(directory: str, search: str, headers: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Milliseconds by situation ("idle", "200 changes/s") and percentile, against services at these base URLs.

    `headers` are an administrator's.
    A sample changes the telephone of a provider-location and polls its search page until the card shows it; the clock
    starts when the directory has answered, so after the commit. Needs a loaded platform on loopback.
    """
    timeout = httpx.Timeout(10)
    async with (
        httpx.AsyncClient(base_url=directory, timeout=timeout, headers=headers) as writer,
        httpx.AsyncClient(base_url=search, timeout=timeout) as reader,
    ):
        targets = await _targets(writer)
        probes, load = targets[:20], targets[20:]
        idle = await _sample(writer, reader, probes)
        async with _changing(writer, load) as made:
            busy = await _sample(writer, reader, probes)
        return {"idle": idle, f"{CHANGES_PER_SECOND} changes/s": {**busy, "changes_per_s": made.rate()}}


class _Made:
    """Counts the changes that the background load got acknowledged."""

    def __init__(self) -> None:
        self.count = 0
        self.started = time.perf_counter()

    def rate(self) -> float:
        return self.count / (time.perf_counter() - self.started)


async def _targets(writer: httpx.AsyncClient) -> list[dict[str, Any]]:
    listed = await writer.get("/v1/directory/provider-locations", params={"limit": 100})
    targets: list[dict[str, Any]] = listed.raise_for_status().json()["items"]
    while (following := listed.links.get("next")) and len(targets) < 1000:
        listed = await writer.get(following["url"])
        targets.extend(listed.raise_for_status().json()["items"])
    return targets


async def _sample(
    writer: httpx.AsyncClient, reader: httpx.AsyncClient, probes: list[dict[str, Any]]
) -> dict[str, float]:
    taken = sorted([await _visible_after(writer, reader, probes[i % len(probes)]) for i in range(SAMPLES)])
    return {
        "p50_ms": taken[len(taken) // 2],
        "p99_ms": taken[min(len(taken) - 1, int(len(taken) * 0.99))],
        "max_ms": taken[-1],
        "samples": len(taken),
    }


async def _visible_after(writer: httpx.AsyncClient, reader: httpx.AsyncClient, probe: dict[str, Any]) -> float:
    phone = await _change(writer, probe)
    committed = time.perf_counter()
    query = {
        "specialty": probe["taxonomy"],
        "near": probe["address"]["zip"][:5],
        "radius_mi": 1,
        "limit": 50,
        "name": probe.get("last_name"),
    }
    query = {name: value for name, value in query.items() if value is not None}
    while time.perf_counter() - committed < VISIBLE_WITHIN:
        found = await reader.get("/v1/search", params=query)
        if phone in found.raise_for_status().text:
            return (time.perf_counter() - committed) * 1000
        await asyncio.sleep(0.005)
    raise TimeoutError(f"provider-location {probe['id']} was not visible within {VISIBLE_WITHIN:.0f} s")


async def _change(writer: httpx.AsyncClient, target: dict[str, Any]) -> str:
    """Give a provider-location a telephone number that nobody had; returns it as the card shows it."""
    digits = str(next(phones))
    changed = await writer.patch(
        f"/v1/directory/provider-locations/{target['id']}",
        json={"phone": digits},
        headers={"If-Match": f'"{target["version"]}"', "Content-Type": "application/merge-patch+json"},
    )
    target["version"] = changed.raise_for_status().json()["version"]
    return "+1" + digits


@asynccontextmanager
async def _changing(writer: httpx.AsyncClient, targets: list[dict[str, Any]]) -> AsyncIterator[_Made]:
    """Change provider-locations at a steady rate in the background; bounded by the samples that it accompanies."""
    made = _Made()
    limit = asyncio.Semaphore(32)

    async def one(target: dict[str, Any]) -> None:
        try:
            await _change(writer, target)
            made.count += 1
        finally:
            limit.release()

    async def steadily() -> None:
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                due = made.started + number / CHANGES_PER_SECOND
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await limit.acquire()
                group.create_task(one(targets[number % len(targets)]))

    task = asyncio.create_task(steadily())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
