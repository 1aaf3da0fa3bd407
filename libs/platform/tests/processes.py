"""The sample service as a process, and raw conversations with it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS = 30.0


@dataclass
class Service:
    """A running process; `log` has its lines so far."""

    process: asyncio.subprocess.Process
    log: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    async def until(self, event: str) -> dict[str, Any]:
        """Read the log up to the line with this event."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            entry: dict[str, Any] = json.loads(line)
            self.log.append(entry)
            if entry["event"] == event:
                return entry
        raise AssertionError(f"no {event!r} in the log: {self.log}")

    async def exit_status(self) -> int:
        """Read the log to its end, and wait."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.log.append(json.loads(line))
        return await self.process.wait()

    async def ask(self, method: str, target: str, headers: str = "", body: str = "") -> tuple[int, str]:
        """One request on a connection of its own: status, and all that came after the status line."""
        async with self.connection() as (reader, writer):
            length = f"content-length: {len(body)}\r\n" if body else ""
            head = f"{method} {target} HTTP/1.1\r\nhost: sample\r\nconnection: close\r\n{length}{headers}\r\n"
            writer.write(head.encode() + body.encode())
            return await answer(reader)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    """A response on a connection that is closed behind it."""
    status_line = await reader.readline()
    rest = await reader.read()
    return int(status_line.split()[1]), rest.decode()


async def launch(**variables: str) -> asyncio.subprocess.Process:
    """The sample service with these variables beside the test's own."""
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
async def serving(**variables: str) -> AsyncIterator[Service]:
    """The sample service, listening. It is killed at the end of the block if it still runs."""
    process = await launch(**variables)
    service = Service(process)
    try:
        async with asyncio.timeout(SECONDS):
            listening = await service.until("listening")
            service.port = int(listening["addresses"][0].rpartition(":")[2])
            yield service
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
