"""`millrace verify` and `millrace rebuild` as whoever runs them sees it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import typer
from redis import Redis as BlockingRedis
from typer.testing import CliRunner

from millrace_projector.as_of import AsOf
from millrace_projector.cli import rebuild, verify
from millrace_projector.handler import Projector
from millrace_projector.keeper import Keeper
from millrace_projector.settings import ProjectorSettings
from millrace_projector.stores import Stores
from millrace_readmodel import layout
from millrace_readmodel.generations import ReadModel
from millrace_reference.npi import npi_check_digit

Invoke = Callable[..., Any]
NPIS = [f"{first9}{npi_check_digit(first9)}" for first9 in map(str, range(100_000_000, 100_000_009))]


class Directory:
    """Answers for the directory. `lines` are what its snapshot tells; each request may take another list."""

    def __init__(self) -> None:
        self.lines: list[list[bytes]] = [[]]

    def body(self) -> bytes:
        lines = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        return b"\n".join(lines) + b"\n"


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Directory]:
    told = Directory()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/internal/directory/snapshot" else 404)
            self.end_headers()
            self.wfile.write(told.body())

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Tests need no access log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("MILLRACE_DIRECTORY_URL", f"http://127.0.0.1:{server.server_port}")
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
async def filled(stores: Stores, settings: ProjectorSettings, make: Any, directory: Directory) -> Stores:
    """A provider, its location and a plan, the same everywhere."""
    keeper = Keeper(stores, interval=1.0, segments=1)
    await keeper.look()
    read_model = ReadModel(stores.redis, stores.writer, request_rebuild=keeper.absent)
    entities = [make.provider(), make.location(plans=(make.plan().id,)), make.plan()]
    await Projector(stores.truth, read_model, AsOf()).handle([make.record(entity) for entity in entities])
    directory.lines = [[make.line(entity) for entity in entities]]
    return stores


@pytest.fixture
def invoke(settings: ProjectorSettings, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("MILLRACE_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("MILLRACE_TRUTH_TABLE", settings.truth_table)
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command()(verify)
    app.command()(rebuild)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def in_thread(work: Callable[[], Any]) -> Any:
    """Commands run an event loop of their own, which a test that has one can't share."""
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(work()))
    thread.start()
    thread.join()
    return result[0]


async def test_what_agrees_is_clean(filled: Stores, invoke: Invoke) -> None:
    done = in_thread(lambda: invoke("verify"))
    assert (done.exit_code, "clean" in done.output) == (0, True)


async def test_json_counts_what_was_compared(filled: Stores, invoke: Invoke) -> None:
    done = in_thread(lambda: invoke("verify", "--json"))
    told = json.loads(done.output)
    assert told["clean"]
    assert {store: told["compared"][store] for store in ("directory", "truth", "cards", "rows", "plans")} == {
        "directory": 3,
        "truth": 3,
        "cards": 1,
        "rows": 1,
        "plans": 1,
    }


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
async def test_a_truth_that_differs_from_the_directory_is_found(
    filled: Stores, directory: Directory, make: Any, invoke: Invoke, *, lines: Any, kind: str
) -> None:
    directory.lines = [[*directory.lines[0][1:], *lines(make)]]
    done = in_thread(lambda: invoke("verify", "--json"))
    assert done.exit_code == 1
    assert {"store": "truth", "kind": kind, "count": 1} in json.loads(done.output)["differences"]


async def test_what_the_directory_should_not_hold_is_told(
    filled: Stores, directory: Directory, make: Any, invoke: Invoke
) -> None:
    directory.lines[0].append(make.line(make.location("1111111112", zip_code="00000")))
    done = in_thread(lambda: invoke("verify"))
    assert done.exit_code == 1
    assert "provider-location/1111111112" in done.output


async def test_a_read_model_that_differs_from_the_truth_is_found(
    filled: Stores, settings: ProjectorSettings, make: Any, invoke: Invoke
) -> None:
    (key,) = await filled.redis.keys("*:c:*")
    await filled.redis.delete(key)
    done = in_thread(lambda: invoke("verify"))
    assert done.exit_code == 1
    assert f"cards: missing: provider-location/{make.location().npi}/{make.location().id}" in done.output


async def test_no_read_model_is_a_difference(filled: Stores, invoke: Invoke) -> None:
    await filled.redis.delete(layout.GENERATION_KEY)
    done = in_thread(lambda: invoke("verify"))
    assert (done.exit_code, "no generation is served" in done.output) == (1, True)


async def test_differences_that_go_away_are_waited_for(
    filled: Stores, directory: Directory, make: Any, invoke: Invoke
) -> None:
    directory.lines.insert(0, [])
    assert in_thread(lambda: invoke("verify", "--wait", "30")).exit_code == 0


async def test_only_so_many_differences_are_printed(
    filled: Stores, directory: Directory, make: Any, invoke: Invoke
) -> None:
    directory.lines[0] += [make.line(make.provider(npi)) for npi in NPIS]
    done = in_thread(lambda: invoke("verify", "--limit", "4"))
    assert "and 5 more" in done.output


@pytest.mark.parametrize("command", ["verify", "rebuild"])
async def test_what_cannot_be_reached_is_named(
    settings: ProjectorSettings, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("MILLRACE_REDIS_URL", "redis://127.0.0.1:1/0")
    done = in_thread(lambda: invoke(command))
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1


async def test_settings_that_cannot_be_are_named(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_PROJECTOR_SCAN_SEGMENTS", "none")
    done = in_thread(lambda: invoke("rebuild"))
    assert (done.exit_code, "projector_scan_segments" in done.stderr) == (2, True)


async def test_a_rebuild_repairs_the_read_model(filled: Stores, invoke: Invoke, settings: ProjectorSettings) -> None:
    (key,) = await filled.redis.keys("*:c:*")
    await filled.redis.delete(key)
    done = in_thread(lambda: invoke("rebuild"))
    assert done.exit_code == 0
    assert "1 cards" in done.output
    assert in_thread(lambda: invoke("verify")).exit_code == 0
    with BlockingRedis.from_url(settings.redis_url) as redis:
        assert redis.exists(key) == 0


async def test_a_rebuild_beside_another_is_refused(filled: Stores, invoke: Invoke) -> None:
    await filled.redis.set(layout.REBUILD_LOCK_KEY, "somebody", px=60_000)
    done = in_thread(lambda: invoke("rebuild"))
    assert (done.exit_code, "another rebuild" in done.stderr) == (2, True)
