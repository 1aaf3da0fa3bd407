"""Anchors: the heads of a trail's chains, recorded hourly where the service can't change them.

A trail whose end was cut off, with its heads set back, is still a valid one; the anchors name entries that it then
lacks. On AWS they are objects in a bucket with object lock, which the service can't overwrite; on one machine files in
a directory, each created once.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Never, Protocol

import msgspec

from millrace_feeds.aws import AwsSettings, s3_client
from millrace_feeds.aws_errors import map_aws_errors
from millrace_feeds.clock import Clock
from millrace_feeds.errors import FeedError
from millrace_platform.audit.model import CHAINS, Head
from millrace_platform.audit.repository import list_heads
from millrace_platform.database import Database
from millrace_platform.files import create_file
from millrace_platform.ids import Ids
from millrace_platform.periodic import run_periodically
from millrace_platform.settings import PlatformSettings, Seconds

_READS_AT_ONCE: Final = 16
_RETRY_SECONDS: Final = 60.0
"""Time after which a failed anchor is attempted again."""


class AnchorSettings(PlatformSettings):
    """Settings of a service that keeps an audit trail."""

    audit_anchors_bucket: str | None = None
    """Bucket with object lock to which anchors of the audit trail are added."""
    audit_anchors_directory: Path | None = None
    """Directory in which files with them are created without a bucket; without both there are no anchors."""
    audit_anchors_interval: Seconds = 3600.0
    """Time between two anchors in seconds."""


class AnchorLine(msgspec.Struct, frozen=True):
    """A head as a line of JSON, in anchors and in the output of `millrace audit verify`."""

    service: str
    chain: Annotated[int, msgspec.Meta(ge=0, lt=CHAINS)]
    seq: Annotated[int, msgspec.Meta(ge=0)]
    digest: str


class AnchorError(Exception):
    """Anchors can't be read. The message says which, and what is wrong."""


_line_decoder = msgspec.json.Decoder(AnchorLine)


def encode_lines(service: str, heads: Iterable[Head]) -> bytes:
    """Return the heads as lines of JSON."""
    lines = (AnchorLine(service, head.chain, head.seq, head.digest.hex()) for head in heads)
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def decode_lines(content: bytes, service: str, *, name: str) -> list[Head]:
    """Return the heads of a service in lines of JSON; raise `AnchorError` with `name` if there are other lines."""
    try:
        lines = [_line_decoder.decode(line) for line in content.splitlines() if line]
        return [Head(each.chain, each.seq, bytes.fromhex(each.digest)) for each in lines if each.service == service]
    except (ValueError, msgspec.DecodeError) as error:
        raise AnchorError(f"{name} has lines that aren't anchors: {error}") from error


class AnchorStore(Protocol):
    """Where the anchors of one service are."""

    async def add(self, heads: Sequence[Head]) -> None:
        """Store an anchor beside the earlier ones."""
        ...

    async def read(self) -> list[Head]:
        """Return the heads of all anchors. Raises `AnchorError`."""
        ...


class FileAnchors:
    """Creates a file `<service>/<id>.jsonl` in a directory for each anchor, read-only."""

    def __init__(self, directory: Path, service: str, ids: Ids) -> None:
        self._directory = directory / service
        self._service = service
        self._ids = ids

    async def add(self, heads: Sequence[Head]) -> None:
        path = self._directory / f"{self._ids()}.jsonl"
        if not await asyncio.to_thread(create_file, path, encode_lines(self._service, heads), 0o400):
            raise FileExistsError(path)

    async def read(self) -> list[Head]:
        try:
            return await asyncio.to_thread(self._read_all)
        except OSError as error:
            raise AnchorError(f"The anchors in {self._directory} can't be read: {error.strerror}.") from error

    def _read_all(self) -> list[Head]:
        paths = sorted(self._directory.glob("*.jsonl"))
        return [head for path in paths for head in decode_lines(path.read_bytes(), self._service, name=str(path))]


class BucketAnchors:
    """Adds each anchor as an object `<service>/<id>.jsonl`, which can't be changed or deleted while it is locked."""

    def __init__(self, client: Any, bucket: str, service: str, ids: Ids) -> None:
        self._client = client
        self._bucket = bucket
        self._service = service
        self._ids = ids

    async def add(self, heads: Sequence[Head]) -> None:
        await self._client.put_object(
            Bucket=self._bucket,
            Key=f"{self._service}/{self._ids()}.jsonl",
            Body=encode_lines(self._service, heads),
            IfNoneMatch="*",
            # S3 requires a checksum where objects are locked.
            ChecksumAlgorithm="SHA256",
        )

    async def read(self) -> list[Head]:
        try:
            with map_aws_errors(self._bucket):
                return await self._read_all()
        except FeedError as error:
            raise AnchorError(f"The anchors can't be read: {error}") from error

    async def _read_all(self) -> list[Head]:
        # All versions: another one, or a marker of a deletion, hides a locked object but can't replace it.
        found: list[Head] = []
        turns = asyncio.Semaphore(_READS_AT_ONCE)
        pages = self._client.get_paginator("list_object_versions")
        async for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._service}/"):
            versions = page.get("Versions", ())
            reads = (self._read_object(each["Key"], each["VersionId"], turns) for each in versions)
            for heads in await asyncio.gather(*reads):
                found += heads
        return found

    async def _read_object(self, key: str, version: str, turns: asyncio.Semaphore) -> list[Head]:
        async with turns:
            response = await self._client.get_object(Bucket=self._bucket, Key=key, VersionId=version)
            async with response["Body"] as body:
                return decode_lines(await body.read(), self._service, name=key)


@asynccontextmanager
async def open_anchors(settings: AnchorSettings, service: str, ids: Ids) -> AsyncIterator[AnchorStore | None]:
    """Yield the service's anchors; None if the settings name neither a bucket nor a directory."""
    async with AsyncExitStack() as stack:
        if settings.audit_anchors_bucket is not None:
            aws = AwsSettings(settings.aws_endpoint_url, settings.aws_region)
            client = await stack.enter_async_context(s3_client(aws))
            yield BucketAnchors(client, settings.audit_anchors_bucket, service, ids)
        elif settings.audit_anchors_directory is not None:
            yield FileAnchors(settings.audit_anchors_directory, service, ids)
        else:
            yield None


class AnchorWriter:
    """Adds the current heads of a trail to its anchors, if they have changed since the last time."""

    def __init__(self, database: Database, store: AnchorStore | None, interval: float, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._interval = interval
        self._clock = clock
        self._last: Sequence[Head] = ()
        self._due = 0.0

    async def run(self) -> Never:
        """Write an anchor at once and then at each interval, until cancelled."""
        await run_periodically(self.write_if_due, name="audit anchors", pause=min(self._interval, _RETRY_SECONDS))

    async def write_if_due(self) -> None:
        """Write an anchor unless an interval hasn't passed since the last one."""
        now = self._clock.time()
        if self._store is None or now < self._due:
            return
        async with self._database.read() as session:
            heads = await list_heads(session)
        if heads != self._last and any(head.seq for head in heads):
            await self._store.add(heads)
        self._last, self._due = heads, now + self._interval
