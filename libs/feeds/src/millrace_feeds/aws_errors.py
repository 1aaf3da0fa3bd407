"""botocore's errors in this package's words, mapped once."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from millrace_feeds.errors import ExpiredIterator, NotFound, Throttled, Unavailable, UnknownPosition

_THROTTLED = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
    }
)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns errors of a request about `what` (a stream or table) into `FeedError`s."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        kind: type[Unavailable | ExpiredIterator] = Unavailable
        if code in _THROTTLED:
            kind = Throttled
        elif code == "ResourceNotFoundException":
            kind = NotFound
        elif code == "ExpiredIteratorException":
            kind = ExpiredIterator
        raise kind(f"{what}: {error}") from error
    except (BotoCoreError, OSError, TimeoutError) as error:
        raise Unavailable(f"{what}: {type(error).__name__}: {error}") from error


@contextmanager
def position_checked(what: str) -> Iterator[None]:
    """For opening an iterator: Kinesis answers a foreign sequence number with InvalidArgumentException."""
    try:
        yield
    except Unavailable as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "InvalidArgumentException":
            raise UnknownPosition(f"{what}: {cause}") from cause
        raise
