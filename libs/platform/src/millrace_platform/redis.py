"""Valkey/Redis clients with bounds."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004 # the client's own

REDIS_UNAVAILABLE: tuple[type[Exception], ...] = (ConnectionError, TimeoutError, BusyLoadingError)
"""What a client raises while its server can't be reached: pass it to `create_app(unavailable_on=…)`."""

RETRIES = 2


def redis_client(url: str, *, name: str, pool_size: int, seconds: float) -> Redis:
    """A client that speaks in bytes. `seconds` bounds a connection's setup, a command, and the wait for a free one.

    A command that met a lost connection is sent again (twice at most): use it with commands that may be repeated.
    `name` is shown in CLIENT LIST. Close it with `aclose`.
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
