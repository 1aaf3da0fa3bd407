"""A service as a process: how it starts, stops, fails, and what it writes about itself."""

import asyncio
import json
import signal
import sys

import pytest

from millrace_platform.protocol import HEAD_LIMIT

from .processes import SECONDS, Service, answer, launch, serving

LARGEST_PIECE = 262_144
"""Bytes that the event loop reads at once: a head's first piece isn't counted."""
UPLOAD = (
    b"POST /v1/bytes HTTP/1.1\r\nhost: sample\r\nconnection: close\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_request_in_flight_is_answered_before_the_process_ends(number: signal.Signals) -> None:
    async with serving() as service, service.connection() as (reader, writer):
        writer.write(UPLOAD)
        # The application waits for the body from here on.
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        service.process.send_signal(number)
        await refuses_connections(service)
        writer.write(b"abc")
        status, rest = await answer(reader)
        assert (status, rest.splitlines()[-1]) == (200, "3")
        assert await service.exit_status() == 0
    assert service.log[-1]["event"] == "stopped"


async def test_the_collector_passes_over_what_a_started_service_is_made_of() -> None:
    async with serving() as service, service.connection() as (reader, writer):
        writer.write(b"GET /v1/frozen HTTP/1.1\r\nhost: sample\r\nconnection: close\r\n\r\n")
        status, rest = await answer(reader)
    assert status == 200
    assert int(rest.splitlines()[-1]) > 10_000


async def refuses_connections(service: Service) -> None:
    while True:
        try:
            async with service.connection() as (reader, _):
                await reader.read()  # what was still accepted is closed
        except ConnectionError:
            return


async def test_a_background_task_that_fails_brings_the_process_down() -> None:
    process = await launch(SAMPLE_CRASH="task")
    service = Service(process)
    async with asyncio.timeout(SECONDS):
        failure = await service.until("background task failed")
        assert await service.exit_status() == 1
    assert failure["level"] == "error"
    assert failure["task"] == "consumer"
    assert failure["exception"].endswith("RuntimeError: can't consume")


async def test_a_start_that_fails_ends_the_process() -> None:
    process = await launch(SAMPLE_CRASH="start")
    async with asyncio.timeout(SECONDS):
        assert await Service(process).exit_status() not in {0, None}


async def test_settings_that_cannot_be_are_named_in_a_line_each() -> None:
    process = await launch(MILLRACE_LISTEN_PORT="high", MILLRACE_LOG_LEVEL="loud")
    async with asyncio.timeout(SECONDS):
        _, stderr = await process.communicate()
    lines = stderr.decode().splitlines()
    assert process.returncode == 2
    assert len(lines) == 2
    assert lines[0].startswith("MILLRACE_LISTEN_PORT: ")
    assert lines[1].startswith("MILLRACE_LOG_LEVEL: ")


async def test_a_request_is_logged_without_its_path_query_or_headers() -> None:
    async with serving() as service:
        headers = "user-agent: Jane\r\nx-request-id: r-1\r\n"
        status, _ = await service.ask("GET", "/v1/items/jane.doe?limit=7&name=jane", headers)
        assert status == 200
        logged = await service.until("request")
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
    }


async def test_the_server_does_not_name_itself() -> None:
    async with serving() as service:
        _, rest = await service.ask("GET", "/healthz")
    assert "server:" not in rest.lower()


async def test_what_is_not_http_is_answered_with_a_problem() -> None:
    async with serving() as service, service.connection() as (reader, writer):
        writer.write(b"NONSENSE\r\n\r\n")
        status, rest = await answer(reader)
    assert status == 400
    assert "content-type: application/problem+json" in rest
    assert json.loads(rest.splitlines()[-1])["type"] == "urn:millrace:problem:bad-request"


async def test_a_head_without_end_is_refused_while_it_comes_in() -> None:
    async with serving() as service, service.connection() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: sample\r\nx-much: ")
        writer.write(b"x" * (HEAD_LIMIT + LARGEST_PIECE))
        status, rest = await answer(reader)
    assert status == 431
    assert "header-too-large" in rest


async def test_a_body_in_chunks_over_the_limit_is_refused() -> None:
    async with serving(MILLRACE_BODY_LIMIT="10") as service, service.connection() as (reader, writer):
        writer.write(b"POST /v1/bytes HTTP/1.1\r\nhost: sample\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"8\r\n12345678\r\n" * 4)
        status_line = await reader.readline()
    assert status_line.split()[1] == b"413"


async def test_nothing_of_telemetry_or_databases_is_imported_where_it_is_not_used() -> None:
    async with serving() as service:
        _, rest = await service.ask("GET", "/v1/modules")
    modules = json.loads(rest.splitlines()[-1])
    assert "opentelemetry.trace" in modules
    assert not [name for name in modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
    assert not [name for name in modules if name.startswith(("google.protobuf", "sqlalchemy"))]


async def test_plain_lines_for_people() -> None:
    process = await launch(MILLRACE_LOG_FORMAT="text", SAMPLE_CRASH="task")
    async with asyncio.timeout(SECONDS):
        _, stderr = await process.communicate()
    (line, *_) = [line for line in stderr.decode().splitlines() if "background task failed" in line]
    assert "[error" in line
    assert line.endswith("[millrace.background] task=consumer")


STUCK = (
    "import threading; from millrace_platform.serve import end_by_force; end_by_force(0.01); threading.Event().wait()"
)


async def test_a_process_that_is_stuck_ends_all_the_same() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", STUCK, stderr=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(SECONDS):
        assert await process.wait() == 1
