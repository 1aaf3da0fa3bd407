"""Serve the sample service in the test's process, over real connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from millrace_platform.protocol import HeadLimitingProtocol
from millrace_platform.settings import PlatformSettings
from millrace_platform.testing import Listening
from millrace_platform.tls import TlsSettings

from . import sample_service

SECONDS = 20.0


@dataclass
class Connection:
    """A connection on which a test sends bytes of its own."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def pause_reading(self) -> None:
        """Receive nothing more, not even the end of the connection."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined] # a transport that also reads

    async def read_until(self, end: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(end), SECONDS)

    async def read_to_end(self) -> bytes:
        """Return what the server sends until it closes the connection."""
        return await asyncio.wait_for(self.reader.read(), SECONDS)


@dataclass
class SampleServer:
    """The sample service on a port, and a client of it."""

    port: int
    client: httpx.AsyncClient
    tls: ssl.SSLContext | None
    """Context of connections to the service; None if it listens without TLS."""
    connections: Collection[object]
    """The open connections."""

    async def can_stream(self, **headers: str) -> bool:
        """Open and close a stream; return whether the service accepted it."""
        async with self.client.stream("GET", "/v1/endless", headers=headers) as response:
            return response.status_code == httpx.codes.OK

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def served(keep_alive: float = 75, **settings: Any) -> AsyncIterator[SampleServer]:
    """Serve with these settings of the platform; connections may be idle for `keep_alive` seconds."""
    app = sample_service.create_with(PlatformSettings(**settings))
    tls = TlsSettings(**settings)
    context = tls.listener_context()
    config = uvicorn.Config(
        app,
        http=HeadLimitingProtocol,
        ws="none",
        lifespan="on",
        log_level="critical",
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    config.timeout_keep_alive = keep_alive  # type: ignore[assignment] # which takes whole seconds only
    verify, scheme = tls.service_context(), "http" if context is None else "https"
    async with (
        Listening(config) as server,
        httpx.AsyncClient(base_url=f"{scheme}://127.0.0.1:{server.port}", timeout=SECONDS, verify=verify) as client,
    ):
        yield SampleServer(server.port, client, None if context is None else verify, server.connections)
