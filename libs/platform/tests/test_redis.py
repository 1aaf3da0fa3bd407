"""The client factory on a real server."""

import pytest

from millrace_platform.redis import REDIS_UNAVAILABLE, redis_client


async def test_it_speaks_in_bytes(redis_url: str) -> None:
    client = redis_client(redis_url, name="sample", pool_size=2, seconds=2)
    try:
        await client.set("key", b"\x00\xff")
        assert await client.get("key") == b"\x00\xff"
    finally:
        await client.aclose()


async def test_a_server_that_is_not_there_is_known_as_such() -> None:
    client = redis_client("redis://127.0.0.1:1/0", name="sample", pool_size=1, seconds=1)
    try:
        with pytest.raises(REDIS_UNAVAILABLE):
            await client.get("key")
    finally:
        await client.aclose()
