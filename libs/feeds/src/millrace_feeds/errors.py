# ruff: noqa: N818 # these name states that are met in normal running
"""What can go wrong with a feed.

FeedError
├── Unavailable           the other side can't be reached or used now: retried with backoff, never parked
│   ├── Throttled         it asks for fewer or smaller requests
│   ├── NotFound          the stream or table isn't there (yet, or any more)
│   └── PublishError      records stayed unacknowledged after all retries
├── ExpiredIterator       open a new one at the same position
├── UnknownPosition       the checkpoint isn't one of this stream's sequence numbers
├── RecordTooLarge        no transport takes this record; sending it again won't help
└── InvalidRecord         a handler can't use this record; it is parked with the reason
"""

from millrace_feeds.transport import Record


class FeedError(Exception):
    """The root of this package's errors."""


class Unavailable(FeedError):
    """The other side can't be reached or used now; whether a request took effect is unknown."""


class Throttled(Unavailable):
    """The other side asks for fewer or smaller requests."""


class NotFound(Unavailable):
    """The stream or table isn't there; it may be created (again) later."""


class PublishError(Unavailable):
    """Records stayed unacknowledged after all retries; some of them may be in the stream."""


class ExpiredIterator(FeedError):
    """The iterator is too old; a new one at the last position goes on."""


class UnknownPosition(FeedError):
    """The sequence number isn't of this shard, for instance because the stream was created anew."""


class RecordTooLarge(FeedError):
    """The record exceeds what one record may weigh (1 MiB with its key)."""


class InvalidRecord(FeedError):
    """Raised by a handler for one record it can never use; the record is parked under `reason`."""

    def __init__(self, record: Record, reason: str) -> None:
        super().__init__(reason)
        self.record = record
        self.reason = reason
