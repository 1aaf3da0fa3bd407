"""Run the sample service as a process and send it raw HTTP requests."""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millrace_platform.tls import client_context

HERE = Path(__file__).parent
SECONDS = 30.0


@dataclass
class Service:
    """A running process; `log` contains the log lines read so far."""

    process: asyncio.subprocess.Process
    log: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    tls: ssl.SSLContext | None = None
    """Context of connections to the process; None if it listens without TLS."""

    async def wait_for_log(self, event: str) -> dict[str, Any]:
        """Read the log up to the line with this event and return that line."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            entry: dict[str, Any] = json.loads(line)
            self.log.append(entry)
            if entry["event"] == event:
                return entry
        raise AssertionError(f"no {event!r} in the log: {self.log}")

    async def exit_status(self) -> int:
        """Read the log to its end, wait for the process and return its exit status."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.log.append(json.loads(line))
        return await self.process.wait()

    async def request(self, method: str, target: str, headers: str = "", body: str = "") -> tuple[int, str]:
        """Send a request on a new connection; return the status and the response after its status line."""
        async with self.connection() as (reader, writer):
            length = f"content-length: {len(body)}\r\n" if body else ""
            head = f"{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{length}{headers}\r\n"
            writer.write(head.encode() + body.encode())
            return await read_response(reader)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)
        try:
            yield reader, writer
        finally:
            writer.close()


async def read_response(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Read a response up to the end of the connection; return the status and the rest after its status line."""
    status_line = await reader.readline()
    rest = await reader.read()
    return int(status_line.split()[1]), rest.decode()


async def launch(**variables: str) -> asyncio.subprocess.Process:
    """Start the sample service with these environment variables added to the test's own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MILLRACE_", "OTEL_"))}
    environment = {"PYTHONPATH": str(HERE), "MILLRACE_LISTEN_PORT": "0", **variables}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from millrace_platform.serve import serve; serve('sample_service:create')",
        env={**inherited, **environment},
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def run_service(**variables: str) -> AsyncIterator[Service]:
    """Run the sample service until the end of the block; yield it when it listens."""
    process = await launch(**variables)
    authority = variables.get("MILLRACE_TLS_CA")
    service = Service(process, tls=None if authority is None else client_context(authority))
    try:
        async with asyncio.timeout(SECONDS):
            listening = await service.wait_for_log("listening")
            service.port = int(listening["addresses"][0].rpartition(":")[2])
            yield service
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
