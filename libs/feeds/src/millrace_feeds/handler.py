"""The interface of a consumer's handler, and the test whether an error means an unavailable store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as EndpointError

from millrace_feeds.errors import Unavailable
from millrace_feeds.transport import Record


class Handler(Protocol):
    """Applies records to a service's own state.

    A call receives records of one shard, in order per key. A worker makes several calls concurrently, but never two
    with the same key. Every effect must be idempotent (conditional on the record's version): after a crash or a lost
    lease the same records are delivered again, possibly while a slow former owner still works on them.
    """

    async def handle(self, records: Sequence[Record]) -> None:
        """Apply all records; return when their effects are durable.

        Raise `InvalidRecord(record, reason)` to make one record a dead letter; the others are delivered again. Raise
        `Unavailable`, or another error that `is_outage` recognizes, while a store can't be reached; the call is
        repeated until it succeeds. After any other exception the batch is retried with backoff, then split in halves; a
        single record that keeps failing becomes a dead letter with the text of the exception.
        """
        ...


@dataclass(frozen=True, slots=True)
class CompositeHandler:
    """Calls several handlers in turn; each ignores records that it isn't responsible for."""

    handlers: Sequence[Handler]

    async def handle(self, records: Sequence[Record]) -> None:
        for handler in self.handlers:
            await handler.handle(records)


OutagePredicate = Callable[[BaseException], bool]
"""Returns whether an error of a handler means that a store is unavailable."""

_OUTAGE_CODES = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ResourceNotFoundException",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
    }
)


def is_outage(error: BaseException) -> bool:
    """Return whether an error means that a store is unavailable or busy, rather than that a record can't be applied.

    Looks at causes (`raise … from …`) and into exception groups. To recognize errors of other clients (such as
    redis-py), pass a function of your own to the consumer.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(inner) for inner in error.exceptions)
    if isinstance(error, (Unavailable, OSError, HTTPClientError, EndpointError)):
        return True
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code") in _OUTAGE_CODES
    return error.__cause__ is not None and is_outage(error.__cause__)
