"""Search at 10,000, 100,000 and 1,000,000 provider-locations, compared with an endpoint that does nothing.

`python -m tests.bench.search [--sizes 10000,100000,1000000] [--seconds 4]` starts its own Valkey, loads synthetic read
models, and for each starts `python -m millrace_search`, then the empty endpoint (`search_floor`), with one worker each.
Loads are a closed loop over 1, 4 and 16 connections, and an open loop at half of the highest rate of these. Everything
stays on loopback.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import numpy as np
from redis.asyncio import Redis

from millrace_local.ports import free_port
from millrace_local.process import ProcessSpec, http_probe
from millrace_local.servers import ministack
from millrace_readmodel.bulk import load
from millrace_readmodel.layout import AS_OF_KEY, GENERATION_KEY
from tests.bench import synthetic
from tests.bench.search_load import Load, Report, measure
from tests.bench.servers import empty_valkey, started
from tests.bench.status import KEYS, read_status
from tests.support.platform import wait_for

SIZES: Final = (10_000, 100_000, 1_000_000)
CONNECTIONS: Final = (1, 4, 16)
OPEN_LOOP_CONNECTIONS: Final = 64
QUERIES: Final = 100_000
FILLED_WITHIN: Final = 180.0
"""Seconds for search to fill its caches."""
WARM_UP: Final = 3.0
"""Duration of the warm-up as a multiple of that of a measurement."""
GENERATION: Final = 1


@dataclass(slots=True)
class SizeReport:
    """Reports of one read model by load: `1`, `4` or `16` connections, or `open` for the open loop.

    `search` is the service, `floor` the empty endpoint, the lower bound of what a search can take.
    """

    size: int
    memory_mb: float
    search: dict[str, Report] = field(default_factory=dict)
    booking: dict[str, Report] = field(default_factory=dict)
    """Reports of searches by openings, at one connection and at 16."""
    floor: dict[str, Report] = field(default_factory=dict)

    @property
    def throughput_share(self) -> float:
        """Return the throughput of search as a share of the empty endpoint's, each at its highest."""
        return _best(self.search) / _best(self.floor)


def _best(reports: dict[str, Report]) -> float:
    return max(reports[str(connections)].per_second for connections in CONNECTIONS)


@dataclass(slots=True)
class Results:
    """The reports of all sizes."""

    sizes: list[SizeReport]

    def promised_figures(self) -> dict[str, float]:
        """Return the figures for which the documentation promises bounds."""
        smallest, largest = self.sizes[0], self.sizes[-1]
        return {
            "p99_ms_one_connection": largest.search["1"].p99,
            "throughput_share_of_floor": largest.throughput_share,
            "p50_growth": largest.search["1"].p50 / smallest.search["1"].p50,
            "memory_mb": largest.memory_mb,
            "booking_p99_ms_one_connection": largest.booking["1"].p99,
        }


def bench(sizes: Sequence[int] = SIZES, seconds: float = 4.0) -> Results:
    """Measure all sizes; takes about 10 times `seconds` per size, and a minute each to load and fill 1,000,000."""
    with empty_valkey() as url:
        return Results([_measure_size(url, size, seconds) for size in sizes])


def _measure_size(url: str, size: int, seconds: float) -> SizeReport:
    measured = SizeReport(size, asyncio.run(_load(url, size)))
    paths = queries()
    with _served("millrace_search", {"MILLRACE_REDIS_URL": url}) as port:
        wait_for(lambda: read_status("search", port)["filled"], seconds=FILLED_WITHIN, what="a filled read model")
        measure(Load(port=port, paths=paths, first=0, connections=16, seconds=WARM_UP * seconds))
        measured.search = _reports(port, paths, seconds)
        measured.booking = _booking_reports(port, seconds)
    body = round(measured.search["1"].body_bytes)
    with _served("tests.bench.search_floor", {"MILLRACE_BENCH_BODY": str(body)}) as port:
        measure(Load(port=port, paths=paths, first=0, connections=4, seconds=seconds / 4))
        measured.floor = _reports(port, paths, seconds / 2)
    return measured


def _reports(port: int, paths: list[str], seconds: float) -> dict[str, Report]:
    reports: dict[str, Report] = {}
    for number, connections in enumerate(CONNECTIONS, 1):
        first = number * QUERIES // 5
        reports[str(connections)] = measure(
            Load(port=port, paths=paths, first=first, connections=connections, seconds=seconds)
        )
    reports["open"] = measure(
        Load(
            port=port,
            paths=paths,
            first=4 * QUERIES // 5,
            connections=OPEN_LOOP_CONNECTIONS,
            seconds=seconds,
            rate=_best(reports) / 2,
        )
    )
    return reports


def _booking_reports(port: int, seconds: float) -> dict[str, Report]:
    paths = queries(booking=True)
    measure(Load(port=port, paths=paths, first=0, connections=16, seconds=seconds))
    return {
        str(connections): measure(
            Load(port=port, paths=paths, first=number * QUERIES // 3, connections=connections, seconds=seconds)
        )
        for number, connections in enumerate((1, 16), 1)
    }


def queries(seed: int = 1, *, booking: bool = False) -> list[str]:
    """Return request paths: places by population, specialties by weight, within 10 miles.

    A fifth filters by plan, a tenth by Spanish, a twentieth by women, a tenth sorts by distance. With `booking` all
    of them filter by openings of some days, and half each by part of the day, mode and kind of patient; a third
    sorts by the soonest.
    """
    country = synthetic.country(seed)
    generator = np.random.default_rng((seed, 7 + booking))
    chance = random.Random(seed)
    zips = generator.choice(len(country.zips), QUERIES, p=country.zip_weights)
    specialties = generator.choice(len(country.specialties), QUERIES, p=country.specialty_weights)
    plans = sorted({plan for plan_set in country.plan_sets for plan in plan_set})
    paths = []
    for zip_, specialty in zip(zips, specialties, strict=True):
        position = country.zips[zip_].position
        query = {"specialty": country.specialties[specialty].slug, "near": f"{position.lat},{position.lon}"}
        query |= {"plan": chance.choice(plans)} if chance.random() < 0.2 else {}
        query |= {"language": "es"} if chance.random() < 0.1 else {}
        query |= {"sex": "F"} if chance.random() < 0.05 else {}
        query |= {"sort": "distance"} if chance.random() < 0.1 else {}
        query |= _booking(chance) if booking else {}
        paths.append(f"/v1/search?{urlencode(query)}")
    return paths


def _booking(chance: random.Random) -> dict[str, str]:
    days = chance.randrange(1, 60)
    if chance.random() < 0.5:
        query = {"available_within": f"{days}d"}
    else:
        first = datetime.now(ZoneInfo("America/New_York")).date() + timedelta(days=chance.randrange(days))
        query = {"available_from": str(first), "available_to": str(first + timedelta(days=days))}
    query |= {"time_of_day": chance.choice(("morning", "afternoon", "evening"))} if chance.random() < 0.5 else {}
    query |= {"mode": chance.choice(("in_person", "video"))} if chance.random() < 0.5 else {}
    query |= {"patient": chance.choice(("new", "existing"))} if chance.random() < 0.5 else {}
    query |= {"sort": "soonest"} if chance.random() < 1 / 3 else {}
    return query


async def _load(url: str, size: int) -> float:
    """Fill an empty Redis; return its memory in MB."""
    redis = Redis.from_url(url)
    try:
        await redis.flushall()
        today = datetime.now(ZoneInfo("America/New_York")).date()
        await load(redis, GENERATION, synthetic.cards(size), synthetic.openings(today))
        await redis.hset(AS_OF_KEY, "shard", str(time.time()))
        await redis.set(GENERATION_KEY, GENERATION)
        memory: dict[str, Any] = await redis.info("memory")
        return float(memory["used_memory"]) / 1e6
    finally:
        await redis.aclose()


@contextlib.contextmanager
def _served(module: str, environment: dict[str, str]) -> Iterator[int]:
    """Run a service on a free port; yield the port once it responds to searches."""
    port = free_port()
    spec = ProcessSpec(
        name=module,
        command=(sys.executable, "-m", module),
        ready=http_probe(f"http://127.0.0.1:{port}/v1/search?specialty=dermatology&near=10001"),
        environment={
            **ministack.CREDENTIALS,
            "MILLRACE_LISTEN_PORT": str(port),
            "MILLRACE_LOG_LEVEL": "warning",
            **KEYS,
            **environment,
        },
    )
    with started(spec):
        yield port


def table(results: Results) -> str:
    """Return the results as text."""
    lines = [
        f"{'':>12} {'':>8} {'p50 ms':>8} {'p99 ms':>8} {'p99.9':>8} {'req/s':>8} "
        f"{'floor p50':>10} {'p99.9':>8} {'req/s':>8}"
    ]
    for measured in results.sizes:
        for name, report in measured.search.items():
            floor = measured.floor[name]
            lines.append(
                f"{measured.size:>12,} {name:>8} {report.p50:>8.2f} {report.p99:>8.2f} {report.p999:>8.2f} "
                f"{report.per_second:>8.0f} {floor.p50:>10.2f} {floor.p999:>8.2f} {floor.per_second:>8.0f}"
            )
        lines += [
            f"{measured.size:>12,} {name + ' open.':>8} {report.p50:>8.2f} {report.p99:>8.2f} {report.p999:>8.2f} "
            f"{report.per_second:>8.0f}"
            for name, report in measured.booking.items()
        ]
        lines.append(
            f"{'':>12} read model {measured.memory_mb:.0f} MB, body {measured.search['1'].body_bytes:.0f} bytes, "
            f"{measured.throughput_share:.0%} of the floor's throughput"
        )
    figures = results.promised_figures()
    lines.append(
        f"p99 at one connection {figures['p99_ms_one_connection']:.2f} ms; p50 grows by {figures['p50_growth']:.2f}"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    print(table(bench([int(size) for size in options.sizes.split(",")], options.seconds)))


if __name__ == "__main__":
    main()
