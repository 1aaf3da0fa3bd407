"""A replay that doesn't go through at once."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from millrace_local.up import recovery

SECONDS = 10.0


class Services:
    """Answers to the directory's requests to replay with `answers`, and to each question about one with the next of
    `states`. The others send three pages each."""

    def __init__(self, answers: Iterator[int], states: Iterator[str]) -> None:
        self.answers = answers
        self.states = states
        self.replays = 0
        self.pages: list[tuple[str, str | None]] = []

    async def replay(self, _request: Request) -> Response:
        self.replays += 1
        return Response(status_code=next(self.answers))

    async def status(self, _request: Request) -> Response:
        return JSONResponse({"replay": {"state": next(self.states)}})

    async def page(self, request: Request) -> Response:
        after = request.query_params.get("after")
        self.pages.append((request.path_params["service"], after))
        return JSONResponse({"next": {None: "1", "1": "2", "2": None}[after]})


async def replays(directory: Services) -> list[str]:
    """Run a recovery against them; what was said."""
    routes = [
        Route("/internal/directory/replay", directory.replay, methods=["POST"]),
        Route("/internal/directory/status", directory.status),
        Route("/internal/{service}/replay", directory.page, methods=["POST"]),
    ]
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical"))
        serving = asyncio.create_task(server._serve([listener]))  # serve() would take this process's signals over
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await asyncio.wait_for(recovery.replay_everything(lambda _service: url, said.append), SECONDS)
        server.should_exit = True
        await serving
    return said


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "RETRY_SECONDS", 0)
    monkeypatch.setattr(recovery, "PAUSE_SECONDS", 0)


async def test_it_waits_until_everything_is_sent() -> None:
    directory = Services(iter([202]), iter(["running", "running", "done"]))
    assert await replays(directory) == []
    assert directory.replays == 1
    assert directory.pages == [(service, after) for service in ("patients", "scheduling") for after in (None, "1", "2")]


async def test_a_replay_that_runs_already_began_too_early_and_is_followed_by_another() -> None:
    directory = Services(iter([409, 409, 202]), iter(["done"]))
    assert len(await replays(directory)) == 2


@pytest.mark.parametrize("interrupted", ["failed", "never"])
async def test_a_replay_that_ended_early_is_repeated(interrupted: str) -> None:
    directory = Services(iter([202, 202]), iter(["running", interrupted, "done"]))
    assert await replays(directory) == ["the replay of directory has to be repeated (it did not get through)"]
