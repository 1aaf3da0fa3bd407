# ruff: noqa: N818 # these name states that occur in normal operation
"""Exceptions of the feeds.

FeedError
├── Unavailable             a service can't be used now: retried with backoff
│   ├── Throttled           it asks for fewer or smaller requests
│   ├── NotFound            the stream or table doesn't exist (yet, or any more)
│   └── PublishError        records stayed unacknowledged after all retries
├── ExpiredIterator         a new iterator must be opened at the same position
├── UnknownPosition         the checkpoint isn't a sequence number of this stream
├── RecordTooLarge          no transport accepts this record; sending it again won't help
├── InvalidRecord           a handler can't use this record; it becomes a dead letter
├── HandlerTooSlow          a handler's call took too long; retried, then the record becomes a dead letter
├── LeaseLost               another worker has the lease
├── DeadLetterNotFound      no dead letter has the requested id
└── DeadLetterWithoutBody   the dead letter's record was too large to store
"""

from millrace_feeds.transport import Record


class FeedError(Exception):
    """Base class of the feeds' exceptions."""


class Unavailable(FeedError):
    """A service can't be reached or used now; whether the request took effect is unknown."""


class Throttled(Unavailable):
    """A service asks for fewer or smaller requests."""


class NotFound(Unavailable):
    """The stream or table doesn't exist; it may be created (again) later."""


class PublishError(Unavailable):
    """Records stayed unacknowledged after all retries; the stream may contain some of them."""


class ExpiredIterator(FeedError):
    """The iterator is too old; open a new one at the last position."""


class UnknownPosition(FeedError):
    """The sequence number doesn't belong to this shard, for example because the stream was deleted and recreated."""


class RecordTooLarge(FeedError):
    """The record exceeds the size limit (1 MiB including its key)."""


class InvalidRecord(FeedError):
    """A handler can never apply `record`; the consumer stores it as a dead letter with `reason`."""

    def __init__(self, record: Record, reason: str) -> None:
        super().__init__(reason)
        self.record = record
        self.reason = reason


class HandlerTooSlow(FeedError):
    """A call of the handler took longer than `ConsumerSettings.handle_timeout`."""


class LeaseLost(FeedError):
    """Another worker holds the lease of the shard, or the lease's row was deleted."""


class DeadLetterNotFound(FeedError):
    """No dead letter has the requested id."""


class DeadLetterWithoutBody(FeedError):
    """The dead letter's record was too large to store; it can only be read from its position in the stream."""
