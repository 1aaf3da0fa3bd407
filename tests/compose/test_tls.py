"""Between containers nothing goes in plain text, and certificates of other authorities are refused."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from millrace_local.certificates.authority import issue
from millrace_platform.tls import client_context
from tests.compose.stack import SERVICES, Stack
from tests.support.platform import wait_for

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]

SECONDS = 30
OTHERS = issue({"reviews": ["reviews", "127.0.0.1"]}, datetime.now(UTC), timedelta(days=1))
"""A certificate of a service's name by an authority that the containers don't know."""
CALL = """
import sys, httpx
from millrace_platform.tls import TlsSettings
verify = TlsSettings().service_context() if sys.argv[1] == "verified" else False
try:
    print(httpx.get("https://reviews:8000/healthz", verify=verify, timeout=10).status_code)
except httpx.HTTPError as error:
    print(error)
"""
"""Calls a service as another one does, and then without verifying its certificate."""


@pytest.mark.parametrize("service", SERVICES)
def test_service_refuses_plain_text(stack: Stack, service: str) -> None:
    address = stack.address(service, 8000)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{address}/healthz", timeout=SECONDS)
    verify = client_context(stack.authority.read_text())
    assert httpx.get(f"https://{address}/healthz", verify=verify, timeout=SECONDS).status_code == 200


def test_service_of_another_authority_is_refused(stack: Stack, http: httpx.Client) -> None:
    path = "/v1/reviews/none"
    assert http.get(path).status_code != 503
    with impostor(stack):
        assert http.get(path).status_code == 503
        assert "CERTIFICATE_VERIFY_FAILED" in call(stack, "verified")
        assert call(stack, "unverified").strip() == "200"
    wait_for(lambda: http.get(path).status_code != 503, seconds=60, what="the service itself")


@contextlib.contextmanager
def impostor(stack: Stack) -> Iterator[None]:
    """Replace `reviews` by a container of the same name whose certificate is of another authority."""
    pair = OTHERS.pairs["reviews"]
    variables = (f"MILLRACE_TLS_CERTIFICATE={pair.certificate}", f"MILLRACE_TLS_KEY={pair.key}")
    stack.compose("stop", "reviews")
    options = [part for variable in variables for part in ("--env", variable)]
    container = stack.compose("run", "--detach", "--no-deps", "--use-aliases", *options, "reviews").split()[-1]
    try:
        wait_for(lambda: call(stack, "unverified").strip() == "200", seconds=120, what="the impostor")
        yield
    finally:
        stack.run(("docker", "rm", "--force", container), 60.0)
        stack.compose("start", "reviews")
        stack.publish()
        stack.wait_until_healthy("reviews")


def call(stack: Stack, how: str) -> str:
    return stack.compose("exec", "--no-TTY", "operator", "python", "-c", CALL, how)


def test_postgres_refuses_plain_text_and_clients_refuse_another_authority(stack: Stack) -> None:
    url = stack.platform.variables["MILLRACE_REVIEWS_DATABASE_URL"]

    async def connect(**options: object) -> int:
        connection = await asyncpg.connect(url, timeout=SECONDS, **options)
        try:
            return int(await connection.fetchval("SELECT 1"))
        finally:
            await connection.close()

    assert asyncio.run(connect(ssl=client_context(stack.authority.read_text()))) == 1
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        asyncio.run(connect(ssl=False))
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(connect(ssl=client_context(OTHERS.authority)))


def test_valkey_refuses_plain_text(stack: Stack) -> None:
    host, port = stack.address("valkey", 6379).split(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
        connection.sendall(b"PING\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_later_runs_leave_valid_certificates(stack: Stack) -> None:
    before = stack.compose("exec", "--no-TTY", "operator", "cat", "/certificates/ca.pem")
    stack.compose("run", "--rm", "--no-deps", "certificates")
    assert stack.compose("exec", "--no-TTY", "operator", "cat", "/certificates/ca.pem") == before
