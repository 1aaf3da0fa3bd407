"""Statistics of a refinery worker, and their endpoint, which no load balancer routes."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request

from millrace_feeds.consumer import Consumer
from millrace_feeds.status import ConsumerStatus
from millrace_platform.internal import for_operators
from millrace_platform.service_tokens import CallPurpose
from millrace_refinery.refiner import Refiner
from millrace_refinery.stats import Stats

router = APIRouter(prefix="/internal/refinery", tags=["internal"])


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


@dataclass(frozen=True, slots=True)
class StatusReader:
    """Collects the stats of a running refinery."""

    consumer: Consumer
    refiner: Refiner
    stats: Stats

    def read(self) -> RefineryStatus:
        return RefineryStatus(
            consumer=self.consumer.status(),
            changes=self.stats.counts,
            keys_waiting=self.refiner.keys_waiting,
            gaps_skipped=self.stats.gaps_skipped,
            versions_skipped=self.stats.versions_skipped,
        )


@router.get("/status", dependencies=[for_operators(CallPurpose.STATUS)])
async def get_refinery_status(request: Request) -> RefineryStatus:
    """Get the status of this refinery worker.

    Returns positions, lag, rates, outcomes, gaps, dead letters and freshness of this worker.
    """
    reader: StatusReader = request.app.state.status
    return reader.read()
