"""Record OpenTelemetry metrics of the feeds. Without an SDK their cost is negligible."""

from collections.abc import Sequence

from opentelemetry import metrics

from millrace_feeds.clock import Clock
from millrace_feeds.status import Freshness, Rate, seconds_since_commit
from millrace_feeds.transport import Record

_meter = metrics.get_meter("millrace.feeds")
_records = _meter.create_counter("millrace.feeds.records", "{record}", "Records handled or parked")
_failures = _meter.create_counter("millrace.feeds.failures", "{call}", "Calls of a handler that failed")
_freshness = _meter.create_histogram("millrace.feeds.freshness", "ms", "Commit to effect, the oldest of each call")
_lag = _meter.create_gauge("millrace.feeds.lag", "ms", "Age of the position against the shard's tip")
_published = _meter.create_counter("millrace.outbox.published", "{row}", "Outbox rows acknowledged by the stream")
_refused = _meter.create_counter("millrace.outbox.refused", "{row}", "Outbox rows in requests that failed")


class ConsumerMetrics:
    """Counts a consumer's records and failed calls, for its status and as OpenTelemetry metrics."""

    def __init__(self, application: str, stream: str, clock: Clock) -> None:
        self.handled = 0
        self.parked = 0
        self.freshness = Freshness()
        self._rate = Rate()
        self._clock = clock
        self._labels = {"application": application, "stream": stream}

    @property
    def rate(self) -> float:
        return self._rate.per_second(self._clock.monotonic())

    def count_handled(self, records: Sequence[Record]) -> None:
        """Count records that were applied, and record their freshness."""
        self.handled += len(records)
        self._rate.add(len(records), self._clock.monotonic())
        _records.add(len(records), {**self._labels, "outcome": "handled"})
        seconds = seconds_since_commit(records, self._clock.time())
        if seconds:
            self.freshness.add(seconds)
            _freshness.record(max(seconds) * 1_000, self._labels)

    def count_parked(self) -> None:
        """Count a record that became a dead letter."""
        self.parked += 1
        _records.add(1, {**self._labels, "outcome": "parked"})

    def count_failure(self, error: BaseException) -> None:
        """Count a failed call of the handler."""
        _failures.add(1, {**self._labels, "error.type": type(error).__name__})

    def set_lag(self, shard_id: str, behind_ms: int) -> None:
        _lag.set(behind_ms, {**self._labels, "shard": shard_id})


def count_published(stream: str, acknowledged: int, refused: int) -> None:
    """Count the acknowledged and the failed rows of one put request of the relay."""
    _published.add(acknowledged, {"stream": stream})
    if refused:
        _refused.add(refused, {"stream": stream})
