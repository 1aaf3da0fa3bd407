"""Connections to Valkey/Redis for the near cache: pipelined reads and server-side client tracking.

A tracked connection receives its own reports: it registers with `CLIENT TRACKING ON BCAST … REDIRECT <its own id>` and
then subscribes to `__redis__:invalidate` (RESP2). With separate connections for registering and listening, the listener
would not notice the loss of the registering one.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import hiredis
from redis.asyncio.connection import parse_url

INVALIDATIONS: Final = b"__redis__:invalidate"
ChangedKeys = Sequence[bytes] | None
"""Keys that changed; None after FLUSHALL (all keys)."""


class UnavailableError(Exception):
    """The read model can't be read now: not connected, no reply in time, or no generation is served."""


class DisconnectedError(UnavailableError):
    """The connection is closed or was lost before the reply; the command may succeed on the next connection."""


class Listener(Protocol):
    """Receives the reports of a tracked connection, on the event loop; must not block."""

    def on_invalidation(self, keys: ChangedKeys) -> None:
        """Handle changes of these keys."""

    def on_disconnect(self) -> None:
        """Handle the loss of the connection: changes are no longer reported."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one connection. Times are in seconds."""

    timeout: float = 1.0
    """Limit for connecting and for the reply to the oldest pending command; a slower connection is closed."""
    pending: int = 4096
    """Largest number of commands that await a reply; further commands fail immediately."""


class Connection(asyncio.Protocol):
    """One RESP2 connection with pipelined commands; replies arrive in order.

    A single timer checks the oldest pending command. While no command is pending it sends PING, so a peer that vanished
    is detected within two timeouts.
    """

    def __init__(self, limits: Limits, listener: Listener | None = None) -> None:
        self._limits = limits
        self._listener = listener
        self._reader = hiredis.Reader()
        self._pending: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._subscribed = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(self._limits.timeout, self._check_timeout)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self.closed.set()
        if self._listener is not None:
            self._listener.on_disconnect()
        if self._timer is not None:
            self._timer.cancel()
        while self._pending:
            _, future = self._pending.popleft()
            if not future.done():
                future.set_exception(DisconnectedError("connection lost"))
                future.exception()  # marks it as retrieved: its waiter may have been cancelled

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._dispatch(reply)
        except hiredis.ProtocolError:
            self.close()

    def _dispatch(self, reply: Any) -> None:
        if self._subscribed and isinstance(reply, list) and reply[0] == b"message":
            if self._listener is not None:
                self._listener.on_invalidation(reply[2])
            return
        if not self._pending:
            self.close()
            return
        _, future = self._pending.popleft()
        if future.done():
            return
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    def send(self, *command: bytes | str | int) -> "asyncio.Future[Any]":
        """Write a command and return a future of its reply; raise `UnavailableError` if it can't be sent."""
        if self._transport is None or self._transport.is_closing():
            raise DisconnectedError("not connected")
        if len(self._pending) >= self._limits.pending:
            raise UnavailableError("too many commands in fetch")
        future = asyncio.get_running_loop().create_future()
        self._pending.append((time.monotonic(), future))
        self._transport.write(hiredis.pack_command(cast(Any, command)))
        return future

    async def track(self, prefixes: Sequence[str]) -> None:
        """Report every change of keys with these prefixes to the listener until the connection closes."""
        own_id = await self.send("CLIENT", "ID")
        enumerated = [part for prefix in prefixes for part in ("PREFIX", prefix)]
        await self.send("CLIENT", "TRACKING", "ON", "REDIRECT", own_id, "BCAST", *enumerated)
        subscribed = self.send("SUBSCRIBE", INVALIDATIONS)
        self._subscribed = True  # a report may directly follow the reply
        await subscribed

    def close(self) -> None:
        """Close the connection; pending commands fail with `UnavailableError`."""
        if self._transport is not None:
            self._transport.abort()

    def _check_timeout(self) -> None:
        if self._transport is None:
            return
        if not self._pending:
            self.send("PING")
        elif time.monotonic() - self._pending[0][0] > self._limits.timeout:
            self.close()
        self._timer = asyncio.get_running_loop().call_later(self._limits.timeout / 2, self._check_timeout)


async def connect(
    url: str, limits: Limits, listener: Listener | None = None, *, tls: ssl.SSLContext | None = None
) -> Connection:
    """Open `redis://`, `rediss://` or `unix://`, authenticate and select the database. Raises `UnavailableError`.

    `tls` verifies a `rediss://` server; None: by the authorities that the system trusts.
    """
    options = parse_url(url)
    try:
        async with asyncio.timeout(limits.timeout):
            connection = await _open(url, options, limits, listener, tls)
            try:
                await _authenticate(connection, options)
            except BaseException:
                connection.close()
                raise
    except (OSError, TimeoutError, hiredis.HiredisError) as error:
        raise UnavailableError(f"cannot connect: {error}") from error
    return connection


async def _open(
    url: str, options: Any, limits: Limits, listener: Listener | None, tls: ssl.SSLContext | None
) -> Connection:
    loop = asyncio.get_running_loop()
    if (path := options.get("path")) is not None:
        _, connection = await loop.create_unix_connection(lambda: Connection(limits, listener), path)
        return connection
    context = (tls or ssl.create_default_context()) if url.startswith("rediss://") else None
    _, connection = await loop.create_connection(
        lambda: Connection(limits, listener), options.get("host", "localhost"), options.get("port", 6379), ssl=context
    )
    return connection


async def _authenticate(connection: Connection, options: Any) -> None:
    if (password := options.get("password")) is not None:
        user = options.get("username")
        await connection.send("AUTH", *([user, password] if user else [password]))
    if database := options.get("db"):
        await connection.send("SELECT", database)


class ReconnectingConnection:
    """A connection that reopens after each loss, with pauses from 50 ms doubling to a second."""

    def __init__(self, url: str, limits: Limits, *, tls: ssl.SSLContext | None = None) -> None:
        self._url = url
        self._tls = tls
        self._limits = limits
        self._connection: Connection | None = None
        self._opened = asyncio.Event()
        self._lost_at = time.monotonic()

    def send(self, *command: bytes | str | int) -> "asyncio.Future[Any]":
        """Write a command and return a future of its reply; raise `UnavailableError` if it can't be sent."""
        if self._connection is None:
            raise DisconnectedError("not connected")
        return self._connection.send(*command)

    async def wait_until_connected(self) -> None:
        """Return once a connection is open; raise `DisconnectedError` when none was for the timeout of the limits."""
        while self._connection is None or self._connection.closed.is_set():
            self._opened.clear()
            try:
                async with asyncio.timeout(self._lost_at + self._limits.timeout - time.monotonic()):
                    await self._opened.wait()
            except TimeoutError:
                raise DisconnectedError("not connected") from None

    async def run(self) -> None:
        """Keep the connection open until cancelled."""
        pause = 0.05
        while True:
            try:
                self._connection = await connect(self._url, self._limits, tls=self._tls)
            except UnavailableError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 1.0)
                continue
            pause = 0.05
            self._opened.set()
            try:
                await self._connection.closed.wait()
            finally:
                self._lost_at = time.monotonic()
                self._connection.close()
                self._connection = None
