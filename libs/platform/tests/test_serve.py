"""Start, shutdown, failure and log output of a service process."""

import asyncio
import json
import os
import signal
import sys

import pytest

from millrace_platform.protocol import HEAD_LIMIT

from .certificates import issued, tls_variables
from .processes import SECONDS, Service, launch, read_response, run_service

LARGEST_PIECE = 262_144
"""Maximum bytes of one read by the event loop; the limit does not count the first read of a head."""
UPLOAD = (
    b"POST /v1/bytes HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    b"content-length: 3\r\nexpect: 100-continue\r\n\r\n"
)


@pytest.fixture(params=["plain", "TLS"])
def transport(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables with which a service listens, without and with TLS."""
    return tls_variables() if request.param == "TLS" else {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_request_in_flight_completes_before_the_process_ends(
    transport: dict[str, str], number: signal.Signals
) -> None:
    async with run_service(**transport) as service, service.connection() as (reader, writer):
        writer.write(UPLOAD)
        # The application waits for the body from here on.
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        service.process.send_signal(number)
        await wait_until_connections_are_refused(service)
        writer.write(b"abc")
        status, rest = await read_response(reader)
        assert (status, rest.splitlines()[-1]) == (200, "3")
        assert await service.exit_status() == 0
    assert service.log[-1]["event"] == "stopped"


async def test_objects_of_the_start_are_excluded_from_garbage_collection() -> None:
    async with run_service() as service, service.connection() as (reader, writer):
        writer.write(b"GET /v1/frozen HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        status, rest = await read_response(reader)
    assert status == 200
    assert int(rest.splitlines()[-1]) > 10_000


async def wait_until_connections_are_refused(service: Service) -> None:
    while True:
        try:
            async with service.connection() as (reader, _):
                await reader.read()  # a connection that was still accepted is closed
        except ConnectionError:
            return


async def test_failing_background_task_ends_the_process() -> None:
    process = await launch(SAMPLE_CRASH="task")
    service = Service(process)
    async with asyncio.timeout(SECONDS):
        failure = await service.wait_for_log("background task failed")
        assert await service.exit_status() == 1
    assert failure["level"] == "error"
    assert failure["task"] == "consumer"
    assert failure["exception"].endswith("RuntimeError: can't consume")


async def test_failing_start_ends_the_process() -> None:
    process = await launch(SAMPLE_CRASH="start")
    async with asyncio.timeout(SECONDS):
        assert await Service(process).exit_status() not in {0, None}


async def test_each_invalid_setting_is_reported_on_its_own_line() -> None:
    process = await launch(MILLRACE_LISTEN_PORT="high", MILLRACE_LOG_LEVEL="loud")
    async with asyncio.timeout(SECONDS):
        _, stderr = await process.communicate()
    lines = stderr.decode().splitlines()
    assert process.returncode == 2
    assert len(lines) == 2
    assert lines[0].startswith("MILLRACE_LISTEN_PORT: ")
    assert lines[1].startswith("MILLRACE_LOG_LEVEL: ")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        pytest.param({"MILLRACE_TLS_KEY": None}, "MILLRACE_TLS_KEY: MILLRACE_TLS_CERTIFICATE needs", id="no key"),
        pytest.param({"MILLRACE_TLS_CERTIFICATE": None}, "MILLRACE_TLS_KEY: It needs", id="no certificate"),
        pytest.param(
            {"MILLRACE_TLS_KEY": issued("ours").pairs["other"].key},
            "MILLRACE_TLS_KEY: It is not the key of MILLRACE_TLS_CERTIFICATE",
            id="key of another certificate",
        ),
        pytest.param({"MILLRACE_TLS_KEY": "/nonexistent"}, "MILLRACE_TLS_KEY: The file can't be read", id="no file"),
        pytest.param(
            {"MILLRACE_TLS_CERTIFICATE": "/dev/null"},
            "MILLRACE_TLS_CERTIFICATE: The file can't be read",
            id="empty file",
        ),
        pytest.param(
            {"MILLRACE_TLS_CERTIFICATE": "-----BEGIN CERTIFICATE-----\nabc"},
            "MILLRACE_TLS_KEY: It is not the key of MILLRACE_TLS_CERTIFICATE, or one of them isn't PEM",
            id="damaged certificate",
        ),
        pytest.param(
            {"MILLRACE_TLS_CA": issued("ours").pairs["other"].key}, "MILLRACE_TLS_CA: It has no valid", id="no CA"
        ),
    ],
)
async def test_start_with_invalid_certificates_exits_with_one_line(changes: dict[str, str | None], line: str) -> None:
    variables = {name: value for name, value in {**tls_variables(), **changes}.items() if value is not None}
    process = await launch(**variables)
    async with asyncio.timeout(SECONDS):
        _, stderr = await process.communicate()
    assert process.returncode == 2
    (written,) = stderr.decode().splitlines()
    assert written.startswith(line)
    assert "PRIVATE" not in written


async def test_request_is_logged_without_path_query_and_headers() -> None:
    async with run_service() as service:
        headers = "user-agent: Jane\r\nx-request-id: r-1\r\n"
        status, _ = await service.request("GET", "/v1/items/jane.doe?limit=7", headers)
        assert status == 200
        logged = await service.wait_for_log("request")
    assert logged.pop("duration_ms") >= 0
    assert logged.pop("time").endswith("Z")
    assert logged == {
        "level": "info",
        "service": "sample",
        "logger": "millrace.request",
        "event": "request",
        "request_id": "r-1",
        "method": "GET",
        "route": "/v1/items/{key}",
        "status": 200,
        "caller": "anonymous",
    }


async def test_probe_succeeds_only_while_the_service_listens(transport: dict[str, str]) -> None:
    async with run_service(**transport) as service:
        variables = {**os.environ, **transport, "MILLRACE_LISTEN_PORT": str(service.port)}
        assert await probe(variables) == 0
    assert await probe(variables) != 0


async def probe(variables: dict[str, str]) -> int:
    """Return the exit status of a container's health check."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "millrace_platform.probe", env=variables, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(SECONDS):
        return await process.wait()


async def test_response_has_no_server_header() -> None:
    async with run_service() as service:
        _, rest = await service.request("GET", "/healthz")
    assert "server:" not in rest.lower()


async def test_malformed_http_gets_a_problem_response(transport: dict[str, str]) -> None:
    async with run_service(**transport) as service, service.connection() as (reader, writer):
        writer.write(b"NONSENSE\r\n\r\n")
        status, rest = await read_response(reader)
    assert status == 400
    assert "content-type: application/problem+json" in rest
    members = json.loads(rest.splitlines()[-1])
    assert members["type"] == "urn:millrace:problem:bad-request"
    assert f"x-request-id: {members['request_id']}" in rest


async def test_oversized_head_is_rejected_before_it_is_complete(transport: dict[str, str]) -> None:
    async with run_service(**transport) as service, service.connection() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-much: ")
        writer.write(b"x" * (HEAD_LIMIT + LARGEST_PIECE))
        status, rest = await read_response(reader)
    assert status == 431
    assert "header-too-large" in rest


async def test_oversized_chunked_body_is_rejected(transport: dict[str, str]) -> None:
    async with run_service(**transport, MILLRACE_BODY_LIMIT="10") as service, service.connection() as (reader, writer):
        writer.write(b"POST /v1/bytes HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"8\r\n12345678\r\n" * 4)
        status_line = await reader.readline()
    assert status_line.split()[1] == b"413"


async def test_unused_telemetry_and_database_modules_are_not_imported() -> None:
    async with run_service() as service:
        _, rest = await service.request("GET", "/v1/modules")
    modules = json.loads(rest.splitlines()[-1])
    assert "opentelemetry.trace" in modules
    assert not [name for name in modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
    assert not [name for name in modules if name.startswith(("google.protobuf", "sqlalchemy"))]


async def test_text_log_format() -> None:
    process = await launch(MILLRACE_LOG_FORMAT="text", SAMPLE_CRASH="task")
    async with asyncio.timeout(SECONDS):
        _, stderr = await process.communicate()
    (line, *_) = [line for line in stderr.decode().splitlines() if "background task failed" in line]
    assert "[error" in line
    assert line.endswith("[millrace.background] task=consumer")


BLOCKED_PROCESS = (
    "import threading; from millrace_platform.serve import exit_after; exit_after(0.01); threading.Event().wait()"
)


async def test_exit_after_ends_a_blocked_process() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BLOCKED_PROCESS, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(SECONDS):
        assert await process.wait() == 1
