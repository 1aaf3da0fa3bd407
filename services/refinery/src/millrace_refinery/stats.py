"""Count changes by outcome, for the status endpoint and as OpenTelemetry metrics.

Alarm on `millrace.refinery.versions.skipped` and on the outcome `conflict` of `millrace.refinery.changes`: neither
rises while the sources fulfill their contract.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

from opentelemetry import metrics

from millrace_refinery.ordering import Drop, Emit, Hold, Outcome

OUTCOMES = ("emitted", "duplicate", "stale", "held", "refused", "conflict")


class Stats:
    """Counts changes since the start of the process. A held change counts again once it is emitted."""

    def __init__(self) -> None:
        meter = metrics.get_meter("millrace.refinery")
        self._metric = meter.create_counter(
            "millrace.refinery.changes", description="Changes by outcome", unit="{change}"
        )
        self._skipped_metric = meter.create_counter(
            "millrace.refinery.versions.skipped", description="Missing versions that were skipped", unit="{version}"
        )
        self._counts: Counter[str] = Counter()
        self.gaps_skipped = 0
        self.versions_skipped = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of changes for each of `OUTCOMES`."""
        return {outcome: self._counts[outcome] for outcome in OUTCOMES}

    def count_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Count the outcomes of a batch, except those of dead-lettered changes."""
        batch: Counter[str] = Counter()
        for outcome in outcomes:
            match outcome:
                case Emit(skipped=skipped):
                    batch["emitted"] += 1
                    self._count_skipped(skipped)
                case Drop(reason=reason):
                    batch[reason] += 1
                case Hold():
                    batch["held"] += 1
        for kind, number in batch.items():
            self._add(kind, number)

    def count_dead_letter(self, outcome: Literal["refused", "conflict"]) -> None:
        """Count a dead-lettered change: it is invalid, or its version was received before with other content."""
        self._add(outcome, 1)

    def _add(self, outcome: str, number: int) -> None:
        self._counts[outcome] += number
        self._metric.add(number, {"outcome": outcome})

    def _count_skipped(self, versions: int) -> None:
        if versions:
            self.gaps_skipped += 1
            self.versions_skipped += versions
            self._skipped_metric.add(versions)
