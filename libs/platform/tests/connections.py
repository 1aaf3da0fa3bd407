"""Serve the sample service in the test's process, over real connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from millrace_platform.protocol import HeadLimitingProtocol
from millrace_platform.settings import PlatformSettings
from millrace_platform.testing import Listening

from . import sample_service

SECONDS = 20.0


@dataclass
class Connection:
    """A connection on which a test sends bytes of its own."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

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

    async def can_stream(self, **headers: str) -> bool:
        """Open and close a stream; return whether the service accepted it."""
        async with self.client.stream("GET", "/v1/endless", headers=headers) as response:
            return response.status_code == httpx.codes.OK

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def served(keep_alive: float = 75, **settings: Any) -> AsyncIterator[SampleServer]:
    """Serve with these settings of the platform; connections may be idle for `keep_alive` seconds."""
    app = sample_service.create_with(PlatformSettings(**settings))
    config = uvicorn.Config(app, http=HeadLimitingProtocol, ws="none", lifespan="on", log_level="critical")
    config.timeout_keep_alive = keep_alive  # type: ignore[assignment] # which takes whole seconds only
    async with (
        Listening(config) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=SECONDS) as client,
    ):
        yield SampleServer(server.port, client)
