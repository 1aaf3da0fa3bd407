"""Create clients of Valkey or Redis that limit connections and time."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004 # the client's own

REDIS_UNAVAILABLE: tuple[type[Exception], ...] = (ConnectionError, TimeoutError, BusyLoadingError)
"""Exceptions of a client while its server can't be reached; pass them to `create_app(unavailable_on=…)`."""

RETRIES = 2


def redis_client(url: str, *, name: str, pool_size: int, seconds: float) -> Redis:
    """Return a client that returns values as bytes; close it with `aclose`.

    `seconds` limits a command, the setup of a connection, and the wait for a free one. A command whose connection is
    lost is retried up to twice: send only commands that may be repeated. `name` appears in CLIENT LIST.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=pool_size,
        timeout=seconds,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        socket_keepalive=True,
        health_check_interval=30,
        client_name=name,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.01), RETRIES),
        retry_on_error=[ConnectionError, TimeoutError],
    )
    return Redis.from_pool(pool)
