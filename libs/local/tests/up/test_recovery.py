"""A replay that doesn't go through at once."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from millrace_local.up import recovery

SECONDS = 10.0


class Directory:
    """Answers to the requests to replay with `answers`, and to each question about one with the next of `states`."""

    def __init__(self, answers: Iterator[int], states: Iterator[str]) -> None:
        self.answers = answers
        self.states = states
        self.replays = 0

    async def replay(self, _request: Request) -> Response:
        self.replays += 1
        return Response(status_code=next(self.answers))

    async def status(self, _request: Request) -> Response:
        return JSONResponse({"replay": {"state": next(self.states)}})


async def replays(directory: Directory) -> list[str]:
    """Run a recovery against `directory`; what was said."""
    routes = [
        Route("/internal/directory/replay", directory.replay, methods=["POST"]),
        Route("/internal/directory/status", directory.status),
    ]
    said: list[str] = []
    async with serving(routes) as url:
        await asyncio.wait_for(recovery.replay_everything(url, said.append), SECONDS)
    return said


@asynccontextmanager
async def serving(routes: list[Route]) -> AsyncIterator[str]:
    """A service with these routes; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical"))
        task = asyncio.create_task(server._serve([listener]))  # serve() would take this process's signals over
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "RETRY_SECONDS", 0)
    monkeypatch.setattr(recovery, "PAUSE_SECONDS", 0)


async def test_it_waits_until_everything_is_sent() -> None:
    directory = Directory(iter([202]), iter(["running", "running", "done"]))
    assert await replays(directory) == []
    assert directory.replays == 1


async def test_a_replay_that_runs_already_began_too_early_and_is_followed_by_another() -> None:
    directory = Directory(iter([409, 409, 202]), iter(["done"]))
    assert len(await replays(directory)) == 2


@pytest.mark.parametrize("interrupted", ["failed", "never"])
async def test_a_replay_that_ended_early_is_repeated(interrupted: str) -> None:
    directory = Directory(iter([202, 202]), iter(["running", interrupted, "done"]))
    assert await replays(directory) == ["the directory's replay has to be repeated (it did not get through)"]


async def test_a_replay_in_pages_goes_on_where_it_failed() -> None:
    pages = {None: "a", "a": "b", "b": None}
    asked: list[str | None] = []

    async def replay(request: Request) -> Response:
        after = request.query_params.get("after")
        asked.append(after)
        return JSONResponse({"next": pages[after]}, status_code=503 if asked == [None, "a"] else 200)

    said: list[str] = []
    async with serving([Route("/internal/reviews/replay", replay, methods=["POST"])]) as url:
        await asyncio.wait_for(recovery.replay_pages(url, "reviews", said.append), SECONDS)
    assert (asked, len(said)) == ([None, "a", "a", "b"], 1)
