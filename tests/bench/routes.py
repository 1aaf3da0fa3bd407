"""Processor time of a request to an empty endpoint, of the platform's `TypedRouter` and of FastAPI's own router.

Both run alternately in one process, with the same query model, header dependency and middleware.
"""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Response
from pydantic import BaseModel
from starlette.types import Message, Scope

from millrace_platform.application import ServiceRuntime, create_app
from millrace_platform.routing import TypedRouter
from millrace_platform.settings import PlatformSettings

ROUNDS: Final = 15
REQUESTS_PER_ROUND: Final = 1_000
OTHER_ROUTES: Final = 10
"""Routes that are matched before the measured one."""


class Filter(BaseModel):
    limit: int = 10
    near: str | None = None


async def caller(authorization: Annotated[str | None, Header()] = None) -> str | None:
    return authorization


async def read(filters: Annotated[Filter, Query()], _caller: Annotated[str | None, Depends(caller)]) -> Response:
    return Response(b"{}", media_type="application/json")


@dataclass(frozen=True, slots=True)
class Times:
    """Medians over the rounds, in microseconds of processor time per request."""

    typed: float
    fastapi: float

    @property
    def ratio(self) -> float:
        return self.typed / self.fastapi


async def measure() -> Times:
    """Measure both routers alternately."""
    apps = [_app(TypedRouter()), _app(APIRouter())]
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for app, measured in zip(apps, times, strict=True):
            measured.append(await _microseconds_per_request(app))
    typed, fastapi = (statistics.median(measured[1:]) for measured in times)
    return Times(typed, fastapi)


def _app(router: APIRouter) -> FastAPI:
    for number in range(OTHER_ROUTES):
        router.get(f"/v1/other-{number}", name=f"other_{number}", operation_id=f"other{number}")(read)
    router.get("/v1/measured")(read)
    return create_app(PlatformSettings(), name="bench", title="bench", routers=[router], start=_start)


async def _start(_app: FastAPI, _stack: AsyncExitStack) -> ServiceRuntime:
    return ServiceRuntime()


async def _microseconds_per_request(app: FastAPI) -> float:
    began = time.process_time()
    for _ in range(REQUESTS_PER_ROUND):
        await app(_scope(), _receive, _send)
    return (time.process_time() - began) / REQUESTS_PER_ROUND * 1e6


def _scope() -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/measured",
        "raw_path": b"/v1/measured",
        "root_path": "",
        "query_string": b"limit=3&near=10001",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer token")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_message: Message) -> None:
    pass


if __name__ == "__main__":
    print(asyncio.run(measure()))
