"""Costs of a search and a booking on AWS with every calculation: `python -m tests.bench.cost`.

Measured rates come from `tests/bench/results`. Prices are AWS's public ones of us-east-1 in dollars; they are written
below, so compare them with the present ones. `Load` has all assumptions.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
HOURS = 730.0
"""Hours per month."""


@dataclass(frozen=True, slots=True)
class Prices:
    """On-demand prices without discounts."""

    fargate_vcpu_hour: float = 0.04048
    fargate_gb_hour: float = 0.004445
    kinesis_stream_hour: float = 0.04
    kinesis_gb_in: float = 0.08
    kinesis_gb_out: float = 0.04
    dynamodb_write: float = 0.625e-6
    dynamodb_read: float = 0.125e-6
    aurora_acu_hour: float = 0.12
    aurora_io: float = 0.20e-6
    valkey_r7g_large_hour: float = 0.1752
    balancer_hour: float = 0.0225
    nat_gateway_hour: float = 0.045
    endpoint_zone_hour: float = 0.01
    cognito_account_month: float = 0.015


@dataclass(frozen=True, slots=True)
class Load:
    """Assumed monthly load of the country; see docs/explanation/ladder.md."""

    patients: int = 10_000_000
    searches_a_patient_and_year: float = 8
    bookings_a_patient_and_year: float = 2
    busy: float = 0.6
    """Utilization that autoscaling aims at."""
    peak_over_mean: float = 10
    """Peak rate of a day as a multiple of the mean; the number of tasks is that for the peak."""

    @property
    def searches(self) -> float:
        return self.patients * self.searches_a_patient_and_year / 12

    @property
    def bookings(self) -> float:
        return self.patients * self.bookings_a_patient_and_year / 12


@dataclass(frozen=True, slots=True)
class Line:
    """One cost: `what` it is for, its calculation as text in `sum`, and dollars per month."""

    what: str
    sum: str
    dollars: float


def searches_per_second() -> float:
    """Return the highest measured rate of one search worker at 1,000,000 provider-locations."""
    rows = re.findall(r"^ +1,000,000 +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +(\d+)", (RESULTS / "search.md").read_text(), re.M)
    return max(map(float, rows))


def fixed(prices: Prices) -> Iterator[Line]:
    """Yield the costs of `prod` without load, with the minimum number of tasks."""
    p, h = prices, HOURS
    # Minimum tasks and their sizes are in ecs/services/*.json.
    tasks = [(2, 0.5, 1.0)] * 4 + [(2, 1.0, 2.0), (3, 1.0, 4.0)] + [(2, 0.25, 0.5)] * 2
    vcpu, gb = sum(n * v for n, v, _ in tasks), sum(n * g for n, _, g in tasks)
    yield Line("tasks", f"({vcpu:g} vCPU × {p.fargate_vcpu_hour} + {gb:g} GB × {p.fargate_gb_hour}) × {h:g} h",
               (vcpu * p.fargate_vcpu_hour + gb * p.fargate_gb_hour) * h)  # fmt: skip
    yield Line("streams", f"2 × {p.kinesis_stream_hour} × {h:g} h", 2 * p.kinesis_stream_hour * h)
    yield Line("Aurora", f"2 instances × 2 ACU × {p.aurora_acu_hour} × {h:g} h", 4 * p.aurora_acu_hour * h)
    yield Line("Valkey", f"3 nodes × {p.valkey_r7g_large_hour} × {h:g} h", 3 * p.valkey_r7g_large_hour * h)
    yield Line("load balancer", f"{p.balancer_hour} × {h:g} h", p.balancer_hour * h)
    yield Line("NAT gateways", f"3 × {p.nat_gateway_hour} × {h:g} h", 3 * p.nat_gateway_hour * h)
    yield Line("VPC endpoints", f"8 × 3 zones × {p.endpoint_zone_hour} × {h:g} h", 24 * p.endpoint_zone_hour * h)


def of_searches(prices: Prices, load: Load, rate: float) -> Iterator[Line]:
    """Yield the costs of searches, with `rate` searches per second and task."""
    hours = load.searches / rate / load.busy / 3600 * load.peak_over_mean
    price = prices.fargate_vcpu_hour + 4 * prices.fargate_gb_hour
    how = (
        f"{load.searches:,.0f} / {rate:,.0f} a second / {load.busy:g} busy × {load.peak_over_mean:g} peak × {price:.4f}"
    )
    yield Line("search tasks, 1 vCPU and 4 GB", how, hours * price)
    pages = load.searches / 4  # a quarter opens a provider page: one eventually consistent Query of 3 KB
    yield Line("provider pages", f"{pages:,.0f} × 1 read × {prices.dynamodb_read}", pages * prices.dynamodb_read)


def of_bookings(prices: Prices, load: Load) -> Iterator[Line]:
    """Yield the costs of bookings: hold, appointment and openings, 3 events of 1 KB."""
    events, p = 3 * load.bookings, prices
    gb = events * 1e3 / 1e9
    yield Line("both streams, in", f"{events:,.0f} × 1 KB × 2 × {p.kinesis_gb_in}", 2 * gb * p.kinesis_gb_in)
    yield Line("out, to 1 + 4 readers", f"{events:,.0f} × 1 KB × 5 × {p.kinesis_gb_out}", 5 * gb * p.kinesis_gb_out)
    yield Line("refinery: a read, a write", f"{events:,.0f} × ({p.dynamodb_read} + 2 × {p.dynamodb_write})",
               events * (p.dynamodb_read + 2 * p.dynamodb_write))  # fmt: skip
    yield Line("truth: openings, transactional", f"{load.bookings:,.0f} × 2 × {p.dynamodb_write}",
               load.bookings * 2 * p.dynamodb_write)  # fmt: skip
    yield Line("Aurora: 20 writes of a page", f"{load.bookings:,.0f} × 20 × {p.aurora_io}",
               load.bookings * 20 * p.aurora_io)  # fmt: skip


def of_accounts(prices: Prices, load: Load) -> Iterator[Line]:
    """Yield the costs of accounts in Cognito, if each active patient books once in the month."""
    price = prices.cognito_account_month
    yield Line("Cognito, Essentials", f"({load.bookings:,.0f} - 10,000) × {price}", (load.bookings - 10_000) * price)


def table(title: str, lines: list[Line], count: float | None = None) -> str:
    """Return the costs as text with their total and, if `count` is given, the total for a million of these."""
    total = sum(line.dollars for line in lines)
    rows = [f"{line.what:<32}{line.dollars:>12,.2f}   {line.sum}" for line in lines]
    rows.append(f"{'':<32}{total:>12,.2f}   a month")
    if count:
        rows.append(f"{'':<32}{total / count * 1_000_000:>12,.2f}   a million")
    return "\n".join([title, *rows, ""])


def main() -> None:
    """Print all costs with their calculations."""
    prices, load, rate = Prices(), Load(), searches_per_second()
    searches, bookings = list(of_searches(prices, load, rate)), list(of_bookings(prices, load))
    sys.stdout.write(table("What is always there (prod), dollars", list(fixed(prices))) + "\n")
    sys.stdout.write(table(f"What {load.searches:,.0f} searches add", searches, load.searches) + "\n")
    sys.stdout.write(table(f"What {load.bookings:,.0f} bookings add", bookings, load.bookings) + "\n")
    sys.stdout.write(table("What their accounts add with Cognito", list(of_accounts(prices, load)), load.bookings))


if __name__ == "__main__":
    main()
