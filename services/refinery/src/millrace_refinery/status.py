"""The refinery's figures in one place."""

from collections.abc import Mapping
from dataclasses import dataclass

from millrace_feeds.consumer import Consumer
from millrace_feeds.status import ConsumerStatus
from millrace_refinery.figures import Figures
from millrace_refinery.refiner import Refiner


@dataclass(frozen=True, slots=True)
class RefineryStatus:
    """One worker's figures since its start.

    `consumer` tells positions, lag (ms), rate (records/s) and freshness (ms from the commit to `entities`); `changes`
    how many changes had which outcome. `keys_waiting` hold versions back for a missing one.
    """

    consumer: ConsumerStatus
    changes: Mapping[str, int]
    keys_waiting: int
    gaps_skipped: int
    versions_skipped: int


class Status:
    """Reads the figures of a running refinery."""

    def __init__(self, consumer: Consumer, refiner: Refiner, figures: Figures) -> None:
        self._consumer = consumer
        self._refiner = refiner
        self._figures = figures

    def read(self) -> RefineryStatus:
        return RefineryStatus(
            consumer=self._consumer.status(),
            changes=self._figures.counts,
            keys_waiting=self._refiner.holding,
            gaps_skipped=self._figures.gaps_skipped,
            versions_skipped=self._figures.versions_skipped,
        )
