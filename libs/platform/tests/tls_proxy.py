"""Put TLS before the embedded servers, which are built without it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from millrace_platform.tls import server_context

from .certificates import issued

SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
"""With which a client of PostgreSQL asks for TLS, before anything else."""


@asynccontextmanager
async def tls_proxy(port: int, name: str = "service", *, is_postgres: bool = False) -> AsyncIterator[int]:
    """Forward TLS connections to the server at this port; show the certificate of this name; yield the proxy's port.

    As PostgreSQL, end connections that don't ask for TLS.
    """
    pair = issued("ours").pairs[name]
    context = server_context(pair.certificate, pair.key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if is_postgres:
                await _start_tls(reader, writer, context)
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.TaskGroup() as group:
                group.create_task(_forward(reader, inner_writer))
                group.create_task(_forward(inner_reader, writer))
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=None if is_postgres else context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _start_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
        raise EOFError
    writer.write(b"S")
    await writer.start_tls(context)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
