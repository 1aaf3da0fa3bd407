"""Serve and call by TLS: versions, verified names and authorities, certificates from files, and their expiry."""

import logging
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace_local.certificates.authority import issue
from millrace_platform.testing import ManualClock
from millrace_platform.tls import TlsSettings, client_context, report_expiry, server_context

from .certificates import issued, tls_settings
from .connections import SECONDS, SampleServer, served


async def test_service_responds_over_tls_and_not_in_plain_text() -> None:
    async with served(**tls_settings()) as service:
        assert (await service.client.get("/v1/items/1")).json() == {"key": "1"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=SECONDS) as plain:
            with pytest.raises(httpx.RemoteProtocolError):
                await plain.get("/v1/items/1")


@pytest.mark.parametrize(("newest", "accepted"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_service_refuses_tls_before_1_2(newest: ssl.TLSVersion, accepted: bool) -> None:
    old = client_context(issued("ours").authority)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")  # with which OpenSSL offers old versions at all
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, newest
    async with served(**tls_settings()) as service:
        assert await can_connect(service, old) is accepted


async def test_service_of_another_authority_is_refused() -> None:
    async with served(**tls_settings("theirs")) as service:
        assert await can_connect(service, client_context(issued("theirs").authority))
        assert not await can_connect(service, client_context(issued("ours").authority))
        assert not await can_connect(service, client_context(issued("ours").authority, trusts_system=True))
        assert not await can_connect(service, client_context(None))


async def test_service_of_another_name_is_refused() -> None:
    pair = issued("ours").pairs["other"]
    async with served(tls_certificate=pair.certificate, tls_key=pair.key) as service:
        assert not await can_connect(service, client_context(issued("ours").authority))


async def test_authorities_of_two_generations_verify_both() -> None:
    both = client_context(issued("new").authority + issued("old").authority)
    for generation in ("old", "new"):
        async with served(**tls_settings(generation)) as service:
            assert await can_connect(service, both)


async def can_connect(service: SampleServer, context: ssl.SSLContext) -> bool:
    async with httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{service.port}", verify=context, timeout=SECONDS
    ) as client:
        try:
            return (await client.get("/v1/items/1")).is_success
        except httpx.ConnectError:
            return False


def test_pem_files_are_read_from_their_paths(tmp_path: Path) -> None:
    paths: dict[str, Any] = {}
    for name, text in tls_settings().items():
        path = tmp_path / name
        path.write_text(text)
        paths[name] = str(path)
    assert TlsSettings(**paths) == TlsSettings(**tls_settings())


def test_key_is_not_in_the_representation_of_the_settings() -> None:
    assert "PRIVATE KEY" not in repr(TlsSettings(**tls_settings()))


def test_key_needs_no_directory_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    pair = issued("ours").pairs["service"]
    server_context(pair.certificate, pair.key)


class TestExpiry:
    NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)

    @pytest.mark.parametrize(("days", "warned"), [(29, True), (31, False), (-1, True)])
    def test_service_warns_of_a_certificate_that_expires_within_thirty_days(
        self, days: int, warned: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        issued_at = self.NOW - timedelta(days=100)
        certificates = issue({"service": ["localhost"]}, issued_at, timedelta(days=100 + days))
        with caplog.at_level(logging.WARNING, "millrace.tls"):
            report_expiry(certificates.pairs["service"].certificate, ManualClock(self.NOW.timestamp()))
        assert [record.__dict__["days"] for record in caplog.records] == ([float(days)] if warned else [])
