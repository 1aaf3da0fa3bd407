"""`python -m tests.bench [NAME …]`: run the named benchmarks, or all, and write a table of figures for each.

Every server is started on loopback and stopped afterwards. The tables go to the terminal and to `results/`, one file
per name. The bounds are for two cores of a common machine; `--strict` makes a figure that misses its bound an error.
"""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from millrace_local.servers import ministack
from tests.bench import availability, booked, bookings, feeds, freshness, importing, rebuild, routes, search
from tests.bench.servers import database, empty_valkey
from tests.support.platform import Platform, running_platform, wait_for
from tests.support.visits import MANY_VISITS

RESULTS: Final = Path(__file__).with_name("results")
REBUILT: Final = 1_000_000
IMPORTED: Final = 100_000
FRESHNESS_PROVIDERS: Final = 2_000
TOLERATED: Final = 0.95
"""Share of the intended rate that a load must reach, because its ramp-up counts too."""
QUIET_WITHIN: Final = 120.0
BOOKING_PATIENTS: Final = 60
PACE: Final = 5_000_000
"""Iterations of a plain Python loop whose time shows how fast the machine is at the moment."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and its promised bound, if any: `<= 5`, `>= 20000`."""

    name: str
    value: float
    unit: str
    bound: str = ""

    @property
    def is_within_bound(self) -> bool | None:
        """Return whether the value is within the bound; None without a bound."""
        if not self.bound:
            return None
        comparison, limit = self.bound.split()
        return self.value <= float(limit) if comparison == "<=" else self.value >= float(limit)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of one benchmark and their details as text."""

    figures: tuple[Figure, ...]
    details: str = ""


def typed_routes() -> Outcome:
    """Measure a request to an empty endpoint, with the platform's `TypedRouter` and with FastAPI's own router."""
    times = asyncio.run(routes.measure())
    return Outcome(
        (
            Figure("typed route, processor time of FastAPI's own", 100 * times.ratio, "%", "<= 35"),
            Figure("typed route", times.typed, "us a request"),
            Figure("FastAPI's own route", times.fastapi, "us a request"),
        )
    )


def consumers() -> Outcome:
    """Measure the consumer alone, with the memory transport and a handler that only counts."""
    measured = asyncio.run(feeds.consumer_overhead())
    return Outcome(
        (
            Figure("records per second and core", measured["records_per_core_s"], "records/s", ">= 20000"),
            Figure("records per call of the handler", measured["records_per_call"], "records"),
        )
    )


def import_rate() -> Outcome:
    """Measure the import of an NPPES file into an empty PostgreSQL."""
    with database("directory") as url:
        measured = asyncio.run(importing.import_rate(url, IMPORTED))
    return Outcome(
        (
            Figure("NPPES rows", measured["rows_per_s"], "rows/s", ">= 10000"),
            Figure("the same file again", measured["again_rows_per_s"], "rows/s"),
        )
    )


def rebuild_time() -> Outcome:
    """Measure a rebuild of the read model from a truth of a million provider-locations."""
    os.environ.update(ministack.CREDENTIALS)  # the stand-in gets signed requests too
    with empty_valkey() as url:
        measured = asyncio.run(rebuild.rebuild_time(REBUILT, url))
    return Outcome(
        (
            Figure(f"rebuild of {REBUILT:,}", measured["seconds"], "s", "<= 120"),
            Figure("read model", measured["redis_bytes"] / 1e6, "MB", "<= 600"),
        )
    )


def searches() -> Outcome:
    """Measure searches at three sizes, compared with an endpoint that does nothing."""
    results = search.bench()
    promised = results.promised_figures()
    return Outcome(
        (
            Figure("p99 at one connection, 1,000,000", promised["p99_ms_one_connection"], "ms", "<= 5"),
            Figure("the same, every search by openings", promised["booking_p99_ms_one_connection"], "ms", "<= 5"),
            Figure("throughput beside an empty endpoint", 100 * promised["throughput_share_of_floor"], "%", ">= 50"),
            Figure("p50 at 1,000,000 over p50 at 10,000", promised["p50_growth"], "times", "<= 1.5"),
            Figure("read model, 1,000,000", promised["memory_mb"], "MB", "<= 600"),
        ),
        search.table(results),
    )


def freshness_of_searches() -> Outcome:
    """Measure the time from a commit in the directory to the search that shows it, on a whole platform."""
    with _quiet_platform() as started:
        measured = asyncio.run(freshness.freshness(started.variables, started.token("admin")))
    return _situations(measured, "changes", freshness.CHANGES_PER_SECOND)


def booked_times() -> Outcome:
    """Measure the time from a booking to the search that no longer shows its opening, on a whole platform."""
    with _quiet_platform() as started:
        tokens = [started.token("patient")["Authorization"].removeprefix("Bearer ") for _ in range(BOOKING_PATIENTS)]
        scheduling = started.variables["MILLRACE_SCHEDULING_DATABASE_URL"]
        asyncio.run(bookings.add_patients(scheduling, map(bookings.subject_of, tokens)))
        measured = asyncio.run(booked.booked(started.variables, tokens))
    return _situations(measured, "bookings", booked.BOOKINGS_PER_SECOND)


def _situations(measured: Mapping[str, Mapping[str, float]], what: str, rate: int) -> Outcome:
    """Return the figures of each situation: milliseconds, and the rate that the load reached of `rate` per second."""
    figures: list[Figure] = []
    for name, values in measured.items():
        made, least = values.get("per_second"), TOLERATED * rate
        figures.append(Figure(f"{name}, p50", values["p50_ms"], "ms"))
        # The bound under load doesn't apply if the load was lower.
        bound = "<= 1000" if made is None or made >= least else ""
        figures.append(Figure(f"{name}, p99", values["p99_ms"], "ms", bound))
        if made is not None:
            figures.append(Figure(f"{what} made meanwhile", made, f"{what}/s", f">= {least:.0f}"))
    return Outcome(tuple(figures))


def availability_of_many() -> Outcome:
    """Measure availability of 50 provider-locations on 14 days."""
    with database("scheduling") as url:
        filled = asyncio.run(availability.fill(url))
        one = availability.measure_responses(url, connections=1)
        four = availability.measure_responses(url, connections=4)
    return Outcome(
        (
            Figure("p50 at one connection", one.p50, "ms"),
            Figure("p99 at one connection", one.p99, "ms", "<= 25"),
            Figure("body", one.body_bytes / 1e3, "kB"),
            Figure("p99 at four connections", four.p99, "ms"),
            Figure("throughput at four connections", four.per_second, "requests/s"),
            Figure(f"demo calendars of {availability.PROVIDER_LOCATIONS:,} places", filled, "s"),
        )
    )


def bookings_of_many() -> Outcome:
    """Measure bookings by 32 concurrent clients."""
    with database("scheduling") as url:
        asyncio.run(availability.fill(url))
        report = bookings.bookings(url)
    return Outcome(
        (
            Figure("bookings, 32 clients", report.per_second, "bookings/s", ">= 300"),
            Figure("p50 of a request", report.request_p50, "ms"),
            Figure("p99 of a request", report.request_p99, "ms", "<= 100"),
            Figure("p50 of a booking, which is two requests", report.booking_p50, "ms"),
            Figure("p99 of a booking", report.booking_p99, "ms"),
            Figure("times that were taken meanwhile", report.refused, "holds"),
        )
    )


BENCHMARKS: Final[dict[str, Callable[[], Outcome]]] = {
    "routes": typed_routes,
    "consumers": consumers,
    "importing": import_rate,
    "rebuild": rebuild_time,
    "search": searches,
    "freshness": freshness_of_searches,
    "availability": availability_of_many,
    "bookings": bookings_of_many,
    "booked": booked_times,
}


@contextmanager
def _quiet_platform() -> Iterator[Platform]:
    """Start a platform and wait until its demo data have been processed everywhere."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_platform(
            Path(directory), "--demo-providers", str(FRESHNESS_PROVIDERS), environment=MANY_VISITS
        ) as started,
    ):
        wait_for(started.is_quiet, seconds=QUIET_WITHIN, what="a quiet platform")
        yield started


def _pace() -> float:
    """Return the seconds of the fastest of three loops."""
    return min(timeit.repeat(_loop, number=1, repeat=3))


def _loop() -> None:
    total = 0
    for number in range(PACE):
        total += number * number


def table(name: str, outcome: Outcome) -> str:
    """Return the figures and details of a benchmark as Markdown."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    pace = f"a loop of {PACE:,} squares and additions takes {_pace():.2f} s here"
    lines = [f"# {name}", "", f"Measured on {machine}, load included; {pace}.", ""]
    lines += ["| figure | value | bound | |", "| --- | ---: | ---: | --- |"]
    for figure in outcome.figures:
        verdict = {None: "", True: "met", False: "**missed**"}[figure.is_within_bound]
        lines.append(f"| {figure.name} | {figure.value:,.2f} {figure.unit} | {figure.bound} | {verdict} |")
    if outcome.details:
        lines += ["", "```", outcome.details, "```"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the named benchmarks; print and write their tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a bound is missed")
    arguments = parser.parse_args()
    names = arguments.names or list(BENCHMARKS)
    if unknown := set(names) - BENCHMARKS.keys():
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    RESULTS.mkdir(exist_ok=True)
    missed: list[str] = []
    for name in names:
        outcome = BENCHMARKS[name]()
        text = table(name, outcome)
        print(text, flush=True)
        (RESULTS / f"{name}.md").write_text(text)
        missed += (f"{name}: {figure.name}" for figure in outcome.figures if figure.is_within_bound is False)
    if missed:
        print("Missed:", *missed, sep="\n  ", file=sys.stderr)
    sys.exit(1 if missed and arguments.strict else 0)


if __name__ == "__main__":
    main()
