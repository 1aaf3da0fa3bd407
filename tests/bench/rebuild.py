"""Rebuild of the read model in Redis from the truth in DynamoDB, with the memory that Redis needs.

A stand-in for DynamoDB responds to Scan requests over HTTP with prepared pages as fast as they can be sent, so all of
our own work is measured, with signing, HTTP and parsing. The AWS emulator can't serve this size: it walks the whole
table for each page, so its time grows with the square of the size.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from millrace_contracts import registry
from millrace_contracts.entities import Location, ProviderLocation
from millrace_readmodel.dynamodb import truth_client
from millrace_readmodel.items import Item, item_key
from millrace_readmodel.rebuild import Rebuild
from millrace_readmodel.truth import Truth
from millrace_readmodel.writer import ReadModelWriter
from tests.bench import synthetic

PAGE_BYTES: Final = 1_048_576  # of items, DynamoDB's own limit for a page
COMMITTED: Final = "2026-11-21T00:00:00.000Z"
READ_BYTES: Final = 65_536
REGION: Final = "us-east-1"


async def rebuild_time(n: int, redis_url: str, *, seed: int = 1) -> dict[str, float]:
    """Return seconds and bytes of a rebuild of `n` provider-locations from the stand-in. Empties the Redis."""
    async with (
        _stand_in(n, seed) as endpoint,
        truth_client(region=REGION, endpoint_url=endpoint) as client,
        Redis.from_url(redis_url, socket_timeout=60) as redis,
    ):
        await redis.flushall()
        before = await _memory(redis)
        truth = Truth(client, "truth")
        rebuilt = await Rebuild(redis, truth, ReadModelWriter(redis, truth)).run()
        assert rebuilt.loaded.cards == n, f"{rebuilt.loaded.cards} cards of {n} provider-locations"
        return {"seconds": rebuilt.seconds, "redis_bytes": await _memory(redis) - before}


async def _memory(redis: Redis) -> int:
    return int((await redis.info("memory"))["used_memory"])


def _collections(n: int, seed: int) -> Iterator[list[Item]]:
    """Yield each provider's items with those of its provider-location, partition by partition."""
    for provider, location, reviews in synthetic.providers(n, seed=seed):
        items = [_item(registry.PROVIDER, provider), _item(registry.PROVIDER_LOCATION, location)]
        yield [*items, _item(registry.REVIEW_SUMMARY, reviews)] if reviews else items
        yield [_location_item(location)]


def _location_item(location: ProviderLocation) -> Item:
    return _item(
        registry.LOCATION,
        Location(
            id=location.location_id,
            address=location.address,
            phone=location.phone,
            position=location.position,
            time_zone=location.time_zone,
        ),
    )


def _item(contract: registry.Contract[Any], entity: Any) -> Item:
    subject = contract.subject(entity)
    key = item_key(subject)
    assert key is not None
    return Item(*key, 1, msgspec.json.encode(entity).decode(), COMMITTED, subject)


@asynccontextmanager
async def _stand_in(n: int, seed: int) -> AsyncIterator[str]:
    """Run a process that responds to Scan; yield its URL once all pages are prepared."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, n, seed), daemon=True)
    process.start()
    try:
        port = await asyncio.to_thread(ours.recv)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await asyncio.to_thread(process.join)


def _serve(pipe: Connection, n: int, seed: int) -> None:
    pages = list(_pages(n, seed))

    async def run() -> None:
        server = await asyncio.start_server(lambda r, w: _respond(pages, r, w), "127.0.0.1", 0, limit=READ_BYTES)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def _respond(pages: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to each Scan with a page; the partition key of its `ExclusiveStartKey` is the page's number."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            request = msgspec.json.decode(await reader.readexactly(length))
            start = request.get("ExclusiveStartKey")
            body = pages[int(start["pk"]["S"]) if start else 0]
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: %d\r\n\r\n" % len(body)
            )
            writer.write(body)
            await writer.drain()
    writer.close()


def _pages(n: int, seed: int) -> Iterator[bytes]:
    page: list[dict[str, Any]] = []
    size = number = 0
    for items in _collections(n, seed):
        for item in items:
            page.append(_wire(item))
            size += sum(map(len, (item.pk, item.sk, item.data or "", item.time, item.subject))) + 32
        if size >= PAGE_BYTES:
            number += 1
            yield msgspec.json.encode({"Items": page, "LastEvaluatedKey": {"pk": {"S": str(number)}}})
            page, size = [], 0
    yield msgspec.json.encode({"Items": page})


def _wire(item: Item) -> dict[str, Any]:
    return {
        "pk": {"S": item.pk},
        "sk": {"S": item.sk},
        "version": {"N": str(item.version)},
        "data": {"S": item.data},
        "time": {"S": item.time},
        "subject": {"S": item.subject},
    }
