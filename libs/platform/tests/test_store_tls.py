"""Stores over TLS: PostgreSQL by libpq's variables, Valkey by `MILLRACE_TLS_CA`; both verify name and authority."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from millrace_platform.database import open_database
from millrace_platform.errors import Unavailable
from millrace_platform.migrations import Migrations
from millrace_platform.redis import REDIS_UNAVAILABLE, redis_client

from .certificates import issued
from .tls_proxy import tls_proxy

Connect = Callable[[str], Awaitable[None]]
"""Uses the database at a URL."""


async def use_pool(url: str) -> None:
    async with open_database(url, name="test", pool_size=1, seconds=5) as database, database.read() as session:
        await session.scalar(select(1))


class TestPostgres:
    @pytest.fixture(params=["pool", "migrations"])
    def connect(self, request: pytest.FixtureRequest, tmp_path: Path) -> Connect:
        if request.param == "pool":
            return use_pool
        versions = tmp_path / "versions"
        versions.mkdir()
        (versions / "0001.py").write_text("revision, down_revision = '0001', None\ndef upgrade(): pass\n")
        return Migrations(tmp_path, lock_key=7).apply

    @pytest.fixture(autouse=True)
    def trust(self, postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
        """Have the driver trust our authority; return a function that has it trust another one instead."""
        path = tmp_path / "ca.pem"
        path.write_text(issued("ours").authority)
        monkeypatch.setenv("PGSSLMODE", "verify-full")
        monkeypatch.setenv("PGSSLROOTCERT", str(path))
        return lambda name: path.write_text(issued(name).authority)

    async def test_server_with_its_own_certificate_is_used(self, connect: Connect, postgres_dsn: str) -> None:
        async with tls_proxy(port_of(postgres_dsn), is_postgres=True) as port:
            await connect(with_port(postgres_dsn, port))

    async def test_server_of_another_authority_is_refused(
        self, connect: Connect, postgres_dsn: str, trust: Callable[[str], object]
    ) -> None:
        trust("theirs")
        async with tls_proxy(port_of(postgres_dsn), is_postgres=True) as port:
            with pytest.raises((Unavailable, OSError)):
                await connect(with_port(postgres_dsn, port))

    async def test_server_of_another_name_is_refused(self, connect: Connect, postgres_dsn: str) -> None:
        async with tls_proxy(port_of(postgres_dsn), "other", is_postgres=True) as port:
            with pytest.raises((Unavailable, OSError)):
                await connect(with_port(postgres_dsn, port))

    async def test_server_without_tls_is_refused(self, connect: Connect, postgres_dsn: str) -> None:
        with pytest.raises((Unavailable, OSError)):
            await connect(postgres_dsn)


class TestValkey:
    async def test_server_with_its_own_certificate_is_used(self, redis_url: str) -> None:
        async with tls_proxy(port_of(redis_url)) as port:
            await ping(port, issued("ours").authority)

    async def test_server_of_another_authority_is_refused(self, redis_url: str) -> None:
        async with tls_proxy(port_of(redis_url)) as port:
            for authorities in (issued("theirs").authority, None):
                with pytest.raises(REDIS_UNAVAILABLE):
                    await ping(port, authorities)

    async def test_server_of_another_name_is_refused(self, redis_url: str) -> None:
        async with tls_proxy(port_of(redis_url), "other") as port:
            with pytest.raises(REDIS_UNAVAILABLE):
                await ping(port, issued("ours").authority)

    async def test_handshake_that_does_not_end_is_unavailable(self, redis_url: str) -> None:
        # A server without TLS waits for the end of a line, which a handshake needn't contain.
        with pytest.raises(REDIS_UNAVAILABLE):
            await ping(port_of(redis_url), issued("ours").authority, seconds=0.2)


async def ping(port: int, authorities: str | None, seconds: float = 5) -> None:
    url = f"rediss://127.0.0.1:{port}/0"
    client = redis_client(url, name="sample", pool_size=1, seconds=seconds, authorities=authorities)
    try:
        assert await client.ping()
    finally:
        await client.aclose()


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def with_port(url: str, port: int) -> str:
    return url.replace(f":{port_of(url)}/", f":{port}/")
