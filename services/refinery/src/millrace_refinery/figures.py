"""What the refinery counts: for its status page, and as OpenTelemetry metrics where these are collected.

Alarm on `millrace.refinery.versions.skipped` and on the outcome `conflict` of `millrace.refinery.changes`: neither
rises while sources keep their contract.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from opentelemetry import metrics

from millrace_refinery.ordering import Drop, Emit, Hold, Outcome

OUTCOMES = ("emitted", "duplicate", "stale", "held", "refused", "conflict")


class Figures:
    """Counts since the start of the process. A change that was held counts again as emitted."""

    def __init__(self) -> None:
        meter = metrics.get_meter("millrace.refinery")
        self._metric = meter.create_counter(
            "millrace.refinery.changes", description="Changes by what became of them", unit="{change}"
        )
        self._skipped_metric = meter.create_counter(
            "millrace.refinery.versions.skipped", description="Versions that never came", unit="{version}"
        )
        self._counts: Counter[str] = Counter()
        self.gaps_skipped = 0
        self.versions_skipped = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """A number for each of `OUTCOMES`."""
        return {outcome: self._counts[outcome] for outcome in OUTCOMES}

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Add what became of a batch of changes, but for those that are parked."""
        batch: Counter[str] = Counter()
        for outcome in outcomes:
            match outcome:
                case Emit(skipped=skipped):
                    batch["emitted"] += 1
                    self._skip(skipped)
                case Drop(reason=reason):
                    batch[reason] += 1
                case Hold():
                    batch["held"] += 1
        for kind, number in batch.items():
            self._add(kind, number)

    def refuse(self) -> None:
        """Add a change that is parked because its content can't be used."""
        self._add("refused", 1)

    def conflict(self) -> None:
        """Add a change that is parked because its version came with another content before."""
        self._add("conflict", 1)

    def _add(self, outcome: str, number: int) -> None:
        self._counts[outcome] += number
        self._metric.add(number, {"outcome": outcome})

    def _skip(self, versions: int) -> None:
        if versions:
            self.gaps_skipped += 1
            self.versions_skipped += versions
            self._skipped_metric.add(versions)
