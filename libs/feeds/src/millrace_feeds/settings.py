"""The knobs of consumers, publishers and the relay; the defaults are right for Kinesis and DynamoDB on AWS."""

from dataclasses import dataclass, field

from millrace_feeds.transport import TRIM_HORIZON


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential: `first * factor**n` seconds, at most `ceiling`."""

    first: float = 0.1
    factor: float = 2.0
    ceiling: float = 5.0

    def delay(self, failures: int) -> float:
        """The pause after the given number of failures in a row (1 or more)."""
        exponent = min(failures - 1, 64)
        return min(self.first * self.factor**exponent, self.ceiling)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failing call is made again before it is split, and a single record before it is parked."""

    batch_attempts: int = 2
    record_attempts: int = 4
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Times of the lease rules, in seconds. `failover` is how long a silent worker keeps its leases."""

    failover: float = 10.0
    renew_interval: float = 3.0
    take_interval: float = 3.0
    sync_interval: float = 30.0


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """`poll_interval` keeps within AWS's five reads a second and shard, which all applications of a stream share.

    `handle_timeout` bounds one call of the handler; `max_in_flight` bounds the records a shard holds in memory.
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
    """`batches_in_flight` bounds concurrent put requests; `attempts` how often one record is sent."""

    batches_in_flight: int = 4
    attempts: int = 8
    request_timeout: float = 15.0
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """`window` bounds the rows in memory; `lock_id` is the advisory lock of a database's one active relay.

    `gather` is the time between two looks at the outbox that a row may lengthen: what is committed meanwhile shares a
    request, which costs much more than its rows. Where nothing was for so long, a row goes at once.
    """

    window: int = 4_000
    fetch_rows: int = 2_000
    poll_interval: float = 1.0
    gather: float = 0.04
    standby_interval: float = 1.0
    database_timeout: float = 30.0
    lock_id: int = 0x6D696C6C72616365
    backoff: Backoff = field(default_factory=Backoff)
