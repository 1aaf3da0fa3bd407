"""Time from a booking until no search shows its opening, idle and under a steady load of bookings."""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import httpx
import msgspec

from tests.bench.booking_load import Load, measure, plan
from tests.bench.bookings import openings
from tests.bench.client import Client
from tests.bench.freshness import port_of, provider_locations, sample, search_path

BOOKINGS_PER_SECOND: Final = 100
SECONDS: Final = 25.0
"""Seconds of load; the samples usually finish earlier."""
WARM_UP: Final = 3.0
SAMPLES: Final = 60
CLIENTS: Final = 12
SAMPLERS: Final = 2
"""Bookings that are watched concurrently."""
POLL_SECONDS: Final = 0.02
GONE_WITHIN: Final = 10.0
PROBES: Final = 20
"""Provider-locations whose bookings are watched."""


async def booked(variables: Mapping[str, str], tokens: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return milliseconds by situation ("idle", "under load") and percentile.

    A sample holds the first opening that a card shows, polls the search until the card no longer shows it, then
    releases it. The clock starts with the response to the hold, which reserves the time. Needs a platform on loopback
    with calendars: `variables` are those of its `platform.env`, `tokens` the access tokens of patients.
    """
    scheduling = port_of(variables, "scheduling")
    listed = await provider_locations(variables)
    offered = await asyncio.to_thread(openings, scheduling, [each["id"] for each in listed])
    bookable = {each.provider_location for each in offered}
    probes = [each for each in listed if each["id"] in bookable][:PROBES]
    probed = {each["id"] for each in probes}

    async def sampled() -> dict[str, float]:
        writers = [Client(scheduling, {"Authorization": f"Bearer {token}"}) for token in tokens[:SAMPLERS]]
        return await sample(probes, SAMPLES, writers, port_of(variables, "search"), _gone_after)

    idle = await sampled()
    load = Load(
        port=scheduling,
        clients=CLIENTS,
        tokens=list(tokens[SAMPLERS:]),
        bookings=plan((each for each in offered if each.provider_location not in probed), len(tokens) - SAMPLERS),
        warm_up=WARM_UP,
        seconds=SECONDS,
        rate=BOOKINGS_PER_SECOND,
    )
    loading = asyncio.create_task(asyncio.to_thread(measure, load))
    await asyncio.sleep(WARM_UP)
    busy = await sampled()
    return {"idle": idle, "under load": {**busy, "per_second": (await loading).per_second}}


async def _gone_after(writer: Client, reader: Client, probe: dict[str, Any]) -> float:
    start = (await _shown(reader, probe))[0]
    hold_id = await _hold(writer, probe["id"], start)
    held = time.perf_counter()
    while start in await _shown(reader, probe):
        if time.perf_counter() - held > GONE_WITHIN:
            raise TimeoutError(f"a time of {probe['id']} was still shown {GONE_WITHIN:.0f} s after it was taken")
        await asyncio.sleep(POLL_SECONDS)
    gone = time.perf_counter()
    # The next sample of this patient may have a time that overlaps this one.
    status, _ = await writer.request("DELETE", f"/v1/holds/{hold_id}")
    if status != httpx.codes.NO_CONTENT:
        raise RuntimeError(f"the release of a hold got status {status}")
    return (gone - held) * 1000


async def _hold(writer: Client, provider_location: str, start: str) -> str:
    """Hold the time and return the hold's id. Tries kinds of patient and modes, which a card doesn't name."""
    for patient, mode in itertools.product(("new", "existing"), ("in_person", "video")):
        wanted = {"provider_location_id": provider_location, "start": start, "patient": patient, "mode": mode}
        status, held = await writer.post("/v1/holds", wanted, _key())
        if status == httpx.codes.CREATED:
            identifier: str = held["id"]
            return identifier
    raise RuntimeError(f"a time that a card shows can't be held: {status}")


async def _shown(reader: Client, probe: dict[str, Any]) -> list[str]:
    """Return the first openings on the card of a provider-location."""
    status, content = await reader.request("GET", search_path(probe))
    if status != httpx.codes.OK:
        raise RuntimeError(f"a search got status {status}")
    for card in msgspec.json.decode(content)["results"]:
        if card["id"] == probe["id"]:
            first: list[str] = card["openings"]["first"]
            return first
    raise RuntimeError(f"no search shows provider-location {probe['id']}")


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}
