"""Time from a booking until no search shows its opening, idle and under a steady load of bookings."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import msgspec

from tests.bench.booking_load import Load, Opening, Report, spread
from tests.bench.bookings import loaded, openings
from tests.bench.client import Client
from tests.bench.freshness import percentiles, port_of

BOOKINGS_PER_SECOND: Final = 100
SECONDS: Final = 25.0
"""Seconds of load; the samples usually finish earlier."""
WARM_UP: Final = 3.0
SAMPLES: Final = 60
SAMPLERS: Final = 2
POLL_SECONDS: Final = 0.02
GONE_WITHIN: Final = 10.0
PROBES: Final = 20
LISTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Places:
    """Base URLs of the services, and access tokens of patients."""

    directory: str
    scheduling: str
    search: str
    patients: Sequence[str]


async def booked(places: Places) -> dict[str, dict[str, float]]:
    """Return milliseconds by situation ("idle", "under load") and percentile.

    A sample holds the first opening that a card shows, polls the search until the card no longer shows it, then
    books it. The clock starts with the response to the hold, which reserves the time. Needs a platform on
    loopback with calendars.
    """
    listed = await _listed(places)
    offered = await asyncio.to_thread(openings, port_of(places.scheduling), [each["id"] for each in listed])
    bookable = {each.place for each in offered}
    probes = [each for each in listed if each["id"] in bookable][:PROBES]
    probed = {each["id"] for each in probes}
    idle = await _sample(places, probes)
    async with _booking(places, spread([each for each in offered if each.place not in probed])) as reports:
        await asyncio.sleep(WARM_UP)
        busy = await _sample(places, probes)
    (report,) = reports
    return {"idle": idle, "under load": {**busy, "per_second": report.per_second}}


async def _listed(places: Places) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with httpx.AsyncClient(base_url=places.directory, timeout=10) as client:
        listed = await client.get("/v1/directory/provider-locations", params={"limit": 100})
        found += listed.raise_for_status().json()["items"]
        while (following := listed.links.get("next")) and len(found) < LISTED:
            listed = await client.get(following["url"])
            found += listed.raise_for_status().json()["items"]
    return found


async def _sample(places: Places, probes: list[dict[str, Any]]) -> dict[str, float]:
    taken: list[float] = []
    numbers = iter(range(SAMPLES))

    async def work(own: list[dict[str, Any]], token: str) -> None:
        writer = Client(port_of(places.scheduling), {"Authorization": f"Bearer {token}"})
        reader = Client(port_of(places.search))
        for _, probe in zip(numbers, itertools.cycle(own), strict=False):
            taken.append(await _gone_after(writer, reader, probe))
        writer.close()
        reader.close()

    async with asyncio.TaskGroup() as group:
        for number in range(SAMPLERS):
            group.create_task(work(probes[number::SAMPLERS], places.patients[number]))
    return percentiles(taken)


async def _gone_after(writer: Client, reader: Client, probe: dict[str, Any]) -> float:
    start = (await _shown(reader, probe))[0]
    hold_id = await _hold(writer, probe["id"], start)
    held = time.perf_counter()
    while start in await _shown(reader, probe):
        if time.perf_counter() - held > GONE_WITHIN:
            raise TimeoutError(f"a time of {probe['id']} was still shown {GONE_WITHIN:.0f} s after it was taken")
        await asyncio.sleep(POLL_SECONDS)
    gone = time.perf_counter()
    status, _ = await writer.post("/v1/appointments", {"hold_id": hold_id}, _key())
    if status != httpx.codes.CREATED:
        raise RuntimeError(f"a booking was answered with {status}")
    return (gone - held) * 1000


async def _hold(writer: Client, place: str, start: str) -> str:
    """Hold the time as a new or an existing patient; a card doesn't say which of them it is for."""
    for patient, mode in itertools.product(("new", "existing"), ("in_person", "video")):
        wanted = {"provider_location_id": place, "start": start, "patient": patient, "mode": mode}
        status, held = await writer.post("/v1/holds", wanted, _key())
        if status == httpx.codes.CREATED:
            identifier: str = held["id"]
            return identifier
    raise RuntimeError(f"a time that a card shows can't be held: {status}")


async def _shown(reader: Client, probe: dict[str, Any]) -> list[str]:
    """Return the first openings on the card of a provider-location."""
    query = {"specialty": probe["taxonomy"], "near": probe["address"]["zip"][:5], "radius_mi": 1, "limit": 50}
    status, content = await reader.request("GET", f"/v1/search?{urlencode(query)}")
    if status != httpx.codes.OK:
        raise RuntimeError(f"a search was answered with {status}")
    for card in msgspec.json.decode(content)["results"]:
        if card["id"] == probe["id"]:
            first: list[str] = card["openings"]["first"]
            return first
    raise RuntimeError(f"no search shows provider-location {probe['id']}")


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


@asynccontextmanager
async def _booking(places: Places, offered: list[Opening]) -> AsyncIterator[list[Report]]:
    """Book at a steady rate during the block; afterwards the list contains the report."""
    load = Load(
        port=port_of(places.scheduling),
        tokens=list(places.patients),
        openings=offered,
        warm_up=WARM_UP,
        seconds=SECONDS,
        rate=BOOKINGS_PER_SECOND,
    )
    running = asyncio.create_task(asyncio.to_thread(loaded, load))
    reports: list[Report] = []
    try:
        yield reports
    finally:
        reports.append(await running)
