"""Settings of consumers, publishers and the relay; times in seconds, defaults for Kinesis and DynamoDB on AWS."""

from dataclasses import dataclass, field

from millrace_feeds.backoff import Backoff
from millrace_feeds.transport import TRIM_HORIZON


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a batch is tried before it is split, and a single record before it becomes a dead letter."""

    batch_attempts: int = 2
    record_attempts: int = 4
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Intervals in seconds. A lease expires when its holder hasn't renewed it for `failover` seconds."""

    failover: float = 10.0
    renew_interval: float = 3.0
    take_interval: float = 3.0
    sync_interval: float = 30.0


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """Settings of one consumer; times are in seconds.

    `start` applies to a stream that the application hasn't read yet. All applications together may read a shard five
    times per second on AWS; `poll_interval` must respect that. `handle_timeout` bounds one call of the handler,
    `max_in_flight` the records of a shard in memory, `drain_timeout` the time to finish calls at shutdown.
    """

    start: str = TRIM_HORIZON
    poll_interval: float = 0.2
    fetch_records: int = 2_000
    batch_records: int = 500
    parallel_calls: int = 2
    max_in_flight: int = 10_000
    checkpoint_interval: float = 1.0
    handle_timeout: float = 60.0
    drain_timeout: float = 20.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    read_backoff: Backoff = field(default_factory=Backoff)
    leases: LeaseSettings = field(default_factory=LeaseSettings)


@dataclass(frozen=True, slots=True)
class PublisherSettings:
    """Settings of one publisher: `batches_in_flight` limits concurrent requests, `attempts` those per record."""

    batches_in_flight: int = 4
    attempts: int = 8
    request_timeout: float = 15.0
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Settings of one relay: `window` limits the rows in memory; `lock_id` is the advisory lock of the active relay.

    `gather` is the minimum time between two reads of the outbox. Rows that commit meanwhile share a request, because a
    request costs much more than its rows. A row that commits after a longer pause is published immediately.
    """

    window: int = 4_000
    fetch_rows: int = 2_000
    poll_interval: float = 1.0
    gather: float = 0.04
    standby_interval: float = 1.0
    database_timeout: float = 30.0
    lock_id: int = 0x6D696C6C72616365
    backoff: Backoff = field(default_factory=Backoff)
