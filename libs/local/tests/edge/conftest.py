"""A real edge in front of a real service, both on loopback."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from millrace_local.edge.__main__ import server_config
from millrace_local.edge.app import Edge
from millrace_local.ports import free_port
from millrace_platform.settings import PoolSettings
from millrace_platform.testing import Listening

from .upstream import Upstream


@dataclass
class Running:
    """An edge whose `directory`, `search` and `scheduling` are the same upstream; `reviews` is unavailable."""

    url: str
    port: int
    upstream: Upstream
    ready_file: Path


@pytest.fixture
def pools() -> PoolSettings:
    return PoolSettings()


@pytest.fixture
async def edge(tmp_path: Path, pools: PoolSettings) -> AsyncIterator[Running]:
    upstream = Upstream()
    ready_file = tmp_path / "ready"
    ready_file.touch()
    async with Listening(uvicorn.Config(upstream, log_level="critical", ws="none")) as behind:
        base = f"http://127.0.0.1:{behind.port}"
        names = ("directory", "search", "scheduling")
        services = {**dict.fromkeys(names, base), "reviews": f"http://127.0.0.1:{free_port()}"}
        async with Listening(server_config(Edge(services, ready_file, pools))) as front:
            yield Running(f"http://127.0.0.1:{front.port}", front.port, upstream, ready_file)


@pytest.fixture
async def client(edge: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=edge.url, timeout=10) as client:
        yield client
