"""Replays that don't succeed at once."""

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
    """Responds to replay requests with `answers`, and to status requests with the next of `states`."""

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
    """Replays in pages; each names the next."""

    def __init__(self, pages: dict[str | None, str | None]) -> None:
        self.pages = pages
        self.asked: list[str | None] = []

    async def replay(self, request: Request) -> Response:
        after = request.query_params.get("after")
        self.asked.append(after)
        return JSONResponse({"count": 5, "next": self.pages[after]})


async def replays(directory: Directory) -> list[str]:
    """Run a recovery of the directory; return the messages."""
    routes = [
        Route("/internal/directory/replay", directory.replay, methods=["POST"]),
        Route("/internal/directory/status", directory.status),
    ]
    return await recovered("directory", routes)


async def recovered(service: str, routes: list[Route]) -> list[str]:
    """Run a recovery of a service with these routes; return the messages."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical"))
        serving = asyncio.create_task(server._serve([listener]))  # serve() would replace this process's signal handlers
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await asyncio.wait_for(recovery.replay_everything({service: url}, {}, said.append), SECONDS)
        server.should_exit = True
        await serving
    return said


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "RETRY_SECONDS", 0)
    monkeypatch.setattr(recovery, "PAUSE_SECONDS", 0)


async def test_replay_waits_until_everything_is_published() -> None:
    directory = Directory(iter([202]), iter(["running", "running", "done"]))
    assert await replays(directory) == []
    assert directory.replays == 1


async def test_running_replay_is_followed_by_another() -> None:
    directory = Directory(iter([409, 409, 202]), iter(["done"]))
    assert len(await replays(directory)) == 2


@pytest.mark.parametrize("interrupted", ["failed", "never"])
async def test_failed_replay_is_repeated(interrupted: str) -> None:
    directory = Directory(iter([202, 202]), iter(["running", interrupted, "done"]))
    assert await replays(directory) == ["the replay of directory failed (it was incomplete); repeating it"]


async def test_paged_replay_continues_to_the_last_page() -> None:
    patients = Patients({None: "a", "a": "b", "b": None})
    said = await recovered("patients", [Route("/internal/patients/replay", patients.replay, methods=["POST"])])
    assert (said, patients.asked) == ([], [None, "a", "b"])
