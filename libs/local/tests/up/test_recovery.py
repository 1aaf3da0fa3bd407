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


class Patients:
    """Replays in pages, each asked for with what the one before gave."""

    def __init__(self, pages: dict[str | None, str | None]) -> None:
        self.pages = pages
        self.asked: list[str | None] = []

    async def replay(self, request: Request) -> Response:
        after = request.query_params.get("after")
        self.asked.append(after)
        return JSONResponse({"count": 5, "next": self.pages[after]})


async def replays(directory: Directory) -> list[str]:
    """Run a recovery of the directory; what was said."""
    routes = [
        Route("/internal/directory/replay", directory.replay, methods=["POST"]),
        Route("/internal/directory/status", directory.status),
    ]
    return await recovered("directory", routes)


async def recovered(service: str, routes: list[Route]) -> list[str]:
    """Run a recovery of one service that has these routes; what was said."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical"))
        serving = asyncio.create_task(server._serve([listener]))  # serve() would take this process's signals over
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await asyncio.wait_for(recovery.replay_everything({service: url}, said.append), SECONDS)
        server.should_exit = True
        await serving
    return said


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
    assert await replays(directory) == ["the replay of directory has to be repeated (it did not get through)"]


async def test_a_replay_in_pages_goes_on_to_the_last() -> None:
    patients = Patients({None: "a", "a": "b", "b": None})
    said = await recovered("patients", [Route("/internal/patients/replay", patients.replay, methods=["POST"])])
    assert (said, patients.asked) == ([], [None, "a", "b"])
