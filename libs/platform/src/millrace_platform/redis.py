"""Create clients of Valkey or Redis that limit connections and time."""

from ssl import TLSVersion

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004 # the client's own

REDIS_UNAVAILABLE: tuple[type[Exception], ...] = (ConnectionError, TimeoutError, BusyLoadingError)
"""Exceptions of a client while its server can't be reached; pass them to `create_app(unavailable_on=…)`."""

RETRIES = 2


def redis_client(url: str, *, name: str, pool_size: int, seconds: float, authorities: str | None = None) -> Redis:
    """Return a client that returns values as bytes; close it with `aclose`.

    `seconds` limits a command, the setup of a connection, and the wait for a free one. A command whose connection is
    lost is retried up to twice: send only commands that may be repeated. `name` appears in CLIENT LIST. A `rediss://`
    server must have a certificate of its name by one of the `authorities` (PEM), or one that the system trusts.
    """
    tls = {"ssl_ca_data": authorities, "ssl_min_version": TLSVersion.TLSv1_2} if url.startswith("rediss:") else {}
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
        **tls,
    )
    return Redis.from_pool(pool)
