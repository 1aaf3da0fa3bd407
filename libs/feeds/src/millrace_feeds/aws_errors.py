"""Translate errors of botocore to `FeedError`s."""

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
def map_aws_errors(resource: str) -> Iterator[None]:
    """Translate an error of botocore that the block raises to a `FeedError` naming `resource` (a stream or table)."""
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
        raise kind(f"{resource}: {error}") from error
    except (BotoCoreError, OSError, TimeoutError) as error:
        raise Unavailable(f"{resource}: {type(error).__name__}: {error}") from error


@contextmanager
def map_unknown_position(resource: str) -> Iterator[None]:
    """Raise `UnknownPosition` if Kinesis rejects the sequence number with InvalidArgumentException within the block."""
    try:
        yield
    except Unavailable as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "InvalidArgumentException":
            raise UnknownPosition(f"{resource}: {cause}") from cause
        raise
