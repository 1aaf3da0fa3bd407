"""Redis clients on a real server."""

import pytest

from millrace_platform.redis import REDIS_UNAVAILABLE, redis_client


async def test_client_returns_bytes(redis_url: str) -> None:
    client = redis_client(redis_url, name="sample", pool_size=2, seconds=2)
    try:
        await client.set("key", b"\x00\xff")
        assert await client.get("key") == b"\x00\xff"
    finally:
        await client.aclose()


async def test_unreachable_server_raises_redis_unavailable() -> None:
    client = redis_client("redis://127.0.0.1:1/0", name="sample", pool_size=1, seconds=1)
    try:
        with pytest.raises(REDIS_UNAVAILABLE):
            await client.get("key")
    finally:
        await client.aclose()
