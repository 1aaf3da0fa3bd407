"""The commands `millrace verify` and `millrace rebuild`, from the command line."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from millrace_platform.service_tokens import is_service_token
from millrace_platform.testing import SERVICE_KEY
from millrace_projector.as_of import AsOfTracker
from millrace_projector.cli import rebuild, verify
from millrace_projector.handler import Projector
from millrace_projector.rebuild_monitor import RebuildMonitor
from millrace_projector.settings import ProjectorSettings
from millrace_projector.stores import Stores
from millrace_readmodel import layout
from millrace_readmodel.generations import ReadModel
from millrace_reference.npi import npi_check_digit

Invoke = Callable[..., Any]
NPIS = [f"{first9}{npi_check_digit(first9)}" for first9 in map(str, range(100_000_000, 100_000_009))]


class FakeDirectory:
    """HTTP server in place of the directory. `lines` has a snapshot for each request; the last one is repeated."""

    def __init__(self) -> None:
        self.lines: list[list[bytes]] = [[]]

    def body(self) -> bytes:
        lines = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        return b"\n".join(lines) + b"\n"


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDirectory]:
    fake = FakeDirectory()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            accepted = self.path == "/internal/directory/snapshot" and is_service_token(token)
            self.send_response(200 if accepted else 404)
            self.end_headers()
            self.wfile.write(fake.body())

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Write no access log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("MILLRACE_OPERATOR_DIRECTORY_KEYS", SERVICE_KEY)
        monkeypatch.setenv("MILLRACE_DIRECTORY_URL", f"http://127.0.0.1:{server.server_port}")
        yield fake
        server.shutdown()
        thread.join()


@pytest.fixture
async def stores_in_sync(stores: Stores, settings: ProjectorSettings, make: Any, directory: FakeDirectory) -> Stores:
    """Write a provider, its location and a plan to all stores and the directory."""
    monitor = RebuildMonitor(stores, interval=1.0, segments=1)
    await monitor.check()
    read_model = ReadModel(stores.redis, stores.writer, request_rebuild=monitor.request_check)
    entities = [make.provider(), make.location(plans=(make.plan().id,)), make.plan()]
    await Projector(stores.truth, read_model, AsOfTracker()).handle([make.record(entity) for entity in entities])
    directory.lines = [[make.line(entity) for entity in entities]]
    return stores


@pytest.fixture
def invoke(settings: ProjectorSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Invoke]:
    """Return a function that runs a command in another thread, since the command starts its own event loop."""
    monkeypatch.setenv("MILLRACE_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("MILLRACE_TRUTH_TABLE", settings.truth_table)
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command()(verify)
    app.command()(rebuild)
    with ThreadPoolExecutor() as threads:
        yield lambda *arguments: threads.submit(CliRunner().invoke, app, list(arguments)).result()


async def test_verify_succeeds_without_differences(stores_in_sync: Stores, invoke: Invoke) -> None:
    result = invoke("verify")
    assert (result.exit_code, "clean" in result.output) == (0, True)


async def test_json_report_counts_compared_entities(stores_in_sync: Stores, invoke: Invoke) -> None:
    result = invoke("verify", "--json")
    report = json.loads(result.output)
    assert report["clean"]
    expected = {"directory": 3, "truth": 3, "cards": 1, "rows": 1, "plans": 1}
    assert {store: report["compared"][store] for store in expected} == expected


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (lambda make: [make.line(make.provider(), 2)], "version"),
        (lambda make: [make.line(make.provider(last_name="BYRON"))], "content"),
        (lambda make: [make.line(make.provider(), deleted=True)], "content"),
        (lambda make: [], "extra"),
        (lambda make: [make.line(make.provider()), make.line(make.provider("1111111112"))], "missing"),
    ],
)
async def test_verify_finds_differences_of_the_truth(
    stores_in_sync: Stores, directory: FakeDirectory, make: Any, invoke: Invoke, *, lines: Any, kind: str
) -> None:
    directory.lines = [[*directory.lines[0][1:], *lines(make)]]
    result = invoke("verify", "--json")
    assert result.exit_code == 1
    assert {"store": "truth", "kind": kind, "count": 1} in json.loads(result.output)["differences"]


async def test_verify_reports_invalid_entities_of_the_directory(
    stores_in_sync: Stores, directory: FakeDirectory, make: Any, invoke: Invoke
) -> None:
    directory.lines[0].append(make.line(make.location("1111111112", zip_code="00000")))
    result = invoke("verify")
    assert result.exit_code == 1
    assert "provider-location/1111111112" in result.output


async def test_verify_finds_differences_of_the_read_model(stores_in_sync: Stores, make: Any, invoke: Invoke) -> None:
    (key,) = await stores_in_sync.redis.keys("*:c:*")
    await stores_in_sync.redis.delete(key)
    result = invoke("verify")
    assert result.exit_code == 1
    assert f"cards: missing: provider-location/{make.location().npi}/{make.location().id}" in result.output


async def test_missing_read_model_is_a_difference(stores_in_sync: Stores, invoke: Invoke) -> None:
    await stores_in_sync.redis.delete(layout.GENERATION_KEY)
    result = invoke("verify")
    assert (result.exit_code, "no generation is served" in result.output) == (1, True)


async def test_verify_waits_for_differences_to_disappear(
    stores_in_sync: Stores, directory: FakeDirectory, invoke: Invoke
) -> None:
    directory.lines.insert(0, [])
    assert invoke("verify", "--wait", "30").exit_code == 0


async def test_limit_of_printed_differences(
    stores_in_sync: Stores, directory: FakeDirectory, make: Any, invoke: Invoke
) -> None:
    directory.lines[0] += [make.line(make.provider(npi)) for npi in NPIS]
    result = invoke("verify", "--limit", "4")
    assert "and 5 more" in result.output


@pytest.mark.parametrize("command", ["verify", "rebuild"])
async def test_unavailable_store_is_reported_in_one_line(
    settings: ProjectorSettings, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("MILLRACE_REDIS_URL", "redis://127.0.0.1:1/0")
    result = invoke(command)
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1


async def test_invalid_setting_is_named(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_PROJECTOR_SCAN_SEGMENTS", "none")
    result = invoke("rebuild")
    assert (result.exit_code, "projector_scan_segments" in result.stderr) == (2, True)


async def test_rebuild_repairs_the_read_model(stores_in_sync: Stores, invoke: Invoke) -> None:
    (key,) = await stores_in_sync.redis.keys("*:c:*")
    await stores_in_sync.redis.delete(key)
    result = invoke("rebuild")
    assert result.exit_code == 0
    assert "1 cards" in result.output
    assert invoke("verify").exit_code == 0
    assert await stores_in_sync.redis.exists(key) == 0


async def test_second_concurrent_rebuild_is_refused(stores_in_sync: Stores, invoke: Invoke) -> None:
    await stores_in_sync.redis.set(layout.REBUILD_LOCK_KEY, "other-token", px=60_000)
    result = invoke("rebuild")
    assert (result.exit_code, "another rebuild" in result.stderr) == (2, True)
