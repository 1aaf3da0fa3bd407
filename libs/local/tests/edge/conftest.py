"""A real edge in front of a real service, both on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from millrace_local.edge.__main__ import server_config
from millrace_local.edge.app import Edge
from millrace_local.ports import free_port

from .upstream import Upstream

START_SECONDS = 10.0


@dataclass
class Running:
    """An edge whose `directory` and `search` are the same upstream; `refinery` is unavailable."""

    url: str
    port: int
    upstream: Upstream
    ready_file: Path


class Listening:
    """Serves an application on a free port during a block."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(config)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Listening":
        # serve() would replace this process's signal handlers
        self._task = asyncio.create_task(self._server._serve([self._socket]))
        async with asyncio.timeout(START_SECONDS):
            while not self._server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Running]:
    upstream = Upstream()
    ready_file = tmp_path / "ready"
    ready_file.touch()
    async with Listening(uvicorn.Config(upstream, log_level="critical", ws="none")) as behind:
        base = f"http://127.0.0.1:{behind.port}"
        services = {"directory": base, "search": base, "refinery": f"http://127.0.0.1:{free_port()}"}
        async with Listening(server_config(Edge(services, ready_file))) as front:
            yield Running(f"http://127.0.0.1:{front.port}", front.port, upstream, ready_file)


@pytest.fixture
async def client(edge: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=edge.url, timeout=10) as client:
        yield client
