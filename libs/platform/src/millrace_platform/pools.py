"""Count the requests, uploads and streams of a process, so that none of them can use up the places of the others."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from millrace_platform.errors import TooManyRequests, Unavailable

STREAM_RETRY_SECONDS = 30


class RequestPool:
    """The requests of a process that were received completely and aren't streams, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    def add(self) -> None:
        """Count a request; raise `Unavailable` if the process has too many."""
        if self._count >= self._limit:
            raise Unavailable("Too many concurrent requests. Retry later.")
        self._count += 1

    def remove(self) -> None:
        self._count -= 1


@dataclass(slots=True, eq=False)
class Upload:
    """A request whose body is being received. `is_evicted`: it was ended to make room for another one."""

    source: str
    deadline: asyncio.Timeout
    is_evicted: bool = False


class UploadPool:
    """The uploads of a process, at most `limit`.

    A new upload is always admitted: if the pool is full, the source with the most uploads loses its oldest one. So slow
    uploads can't keep others out, and one source can't evict another that has fewer.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._by_source: dict[str, dict[Upload, None]] = {}

    def __len__(self) -> int:
        return self._count

    @contextmanager
    def admit(self, source: str, deadline: asyncio.Timeout) -> Iterator[Upload]:
        """Count an upload during the block; `deadline` expires at once if the upload is evicted."""
        if self._count >= self._limit:
            self._evict()
        upload = Upload(source, deadline)
        self._by_source.setdefault(source, {})[upload] = None
        self._count += 1
        try:
            yield upload
        finally:
            if not upload.is_evicted:
                self._remove(upload)

    def _evict(self) -> None:
        # `max` returns the first of several, which is the source that has been uploading for longest.
        uploads = max(self._by_source.values(), key=len)
        oldest = next(iter(uploads))
        self._remove(oldest)
        oldest.is_evicted = True
        if not oldest.deadline.expired():
            oldest.deadline.reschedule(asyncio.get_running_loop().time())

    def _remove(self, upload: Upload) -> None:
        uploads = self._by_source[upload.source]
        del uploads[upload]
        if not uploads:
            del self._by_source[upload.source]
        self._count -= 1


class StreamPool:
    """The streams of a process, at most `limit`, and at most `source_limit` of one source."""

    def __init__(self, limit: int, source_limit: int) -> None:
        self._limit = limit
        self._source_limit = source_limit
        self._by_source: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._by_source.total()

    def add(self, source: str) -> None:
        """Count a stream; raise `TooManyRequests` if the source has too many, `Unavailable` if the process has."""
        if self._by_source[source] >= self._source_limit:
            raise TooManyRequests(
                f"Your address has {self._source_limit} open streams. Close one before you open another.",
                retry_after=STREAM_RETRY_SECONDS,
            )
        if len(self) >= self._limit:
            raise Unavailable("There are too many streams. Try again later.")
        self._by_source[source] += 1

    def remove(self, source: str) -> None:
        self._by_source[source] -= 1
        if not self._by_source[source]:
            del self._by_source[source]
