"""What a service does with the records of a stream."""

from collections.abc import Callable, Sequence
from typing import Protocol

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as EndpointError

from millrace_feeds.errors import Unavailable
from millrace_feeds.transport import Record


class Handler(Protocol):
    """Applies records to a service's own state.

    A call gets the records of one shard, in order per key; no two running calls of a worker hold the same key, but
    several calls may run at once. Every effect must be idempotent (conditional on the record's version): after a crash
    or a lost lease the same records come again, perhaps while a slow former owner still works on them.
    """

    async def handle(self, records: Sequence[Record]) -> None:
        """Apply all records; return when their effects are durable.

        Raise `InvalidRecord(record, reason)` to park one record: the rest is handed in again. Raise `Unavailable`, or
        anything that `is_outage` knows, while a store can't be reached: the call is repeated, however long it takes.
        Any other exception is retried with backoff, then bisected, then parked with its text.
        """
        ...


Outage = Callable[[BaseException], bool]

_THROTTLES = frozenset(
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
    """Whether an error says that a store is away or busy, rather than that a record can't be applied.

    Sees through `raise … from …` and exception groups. Clients whose errors don't derive from these (redis-py's) are
    named by passing an own function to the consumer.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(inner) for inner in error.exceptions)
    if isinstance(error, (Unavailable, OSError, HTTPClientError, EndpointError)):
        return True
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code") in _THROTTLES
    return error.__cause__ is not None and is_outage(error.__cause__)
