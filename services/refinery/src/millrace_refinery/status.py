"""Collect the stats of a refinery worker."""

from collections.abc import Mapping
from dataclasses import dataclass

from millrace_feeds.consumer import Consumer
from millrace_feeds.status import ConsumerStatus
from millrace_refinery.refiner import Refiner
from millrace_refinery.stats import Stats


@dataclass(frozen=True, slots=True)
class RefineryStatus:
    """Stats of one worker since its start.

    `consumer` has positions, lag (ms), rate (records/s) and freshness (ms from the commit to `entities`); `changes` are
    the numbers of changes by outcome, `keys_waiting` the number of keys with versions that wait for a missing one.
    """

    consumer: ConsumerStatus
    changes: Mapping[str, int]
    keys_waiting: int
    gaps_skipped: int
    versions_skipped: int


class StatusReader:
    """Collects the stats of a running refinery."""

    def __init__(self, consumer: Consumer, refiner: Refiner, stats: Stats) -> None:
        self._consumer = consumer
        self._refiner = refiner
        self._stats = stats

    def read(self) -> RefineryStatus:
        return RefineryStatus(
            consumer=self._consumer.status(),
            changes=self._stats.counts,
            keys_waiting=self._refiner.keys_waiting,
            gaps_skipped=self._stats.gaps_skipped,
            versions_skipped=self._stats.versions_skipped,
        )
