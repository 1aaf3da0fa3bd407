"""A minimal service for the tests, run in the test's process or in its own."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from millrace_platform.application import ServiceRuntime, create_app
from millrace_platform.context import LongRequest, request_notes
from millrace_platform.errors import Conflict
from millrace_platform.limits import open_stream
from millrace_platform.patterns import Pattern
from millrace_platform.responses import STREAM_HEADERS, json_response
from millrace_platform.settings import PlatformSettings

SECRET = "jane.doe@example.org"


class StoreDownError(Exception):
    """Simulates an unavailable store."""


class Address(BaseModel):
    zip: Annotated[str, Pattern("^[0-9]{5}$", "Give five digits.")]


class Item(BaseModel, extra="forbid"):
    count: Annotated[int, Field(ge=1)]
    addresses: list[Address] = []


items = APIRouter(prefix="/items")
router = APIRouter(prefix="/v1")


@items.get("/{key}")
async def read(key: str, limit: Annotated[int, Query(le=100)] = 10) -> dict[str, str]:
    return {"key": key}


@items.put("/{key}")
async def write(key: str, item: Item) -> Item:
    return item


@router.post("/bytes")
async def size(request: Request) -> int:
    return len(await request.body())


@router.get("/frozen")
async def frozen() -> int:
    return gc.get_freeze_count()


@router.get("/error")
async def error() -> None:
    raise ValueError(f"no account for {SECRET}")


@router.get("/conflict")
async def conflict() -> None:
    raise Conflict("The slot is taken.")


@router.get("/down")
async def down() -> None:
    raise StoreDownError


@router.get("/forever")
async def forever() -> None:
    await asyncio.Event().wait()


@router.get("/short-deadline")
async def short_deadline(request: Request) -> None:
    open_stream(request.scope, 0)
    await asyncio.Event().wait()


@router.get("/poll")
async def poll(request: Request) -> None:
    request_notes(request.scope).long = LongRequest.POLL


@router.get("/poll-down")
async def poll_down(request: Request) -> None:
    request_notes(request.scope).long = LongRequest.POLL
    raise StoreDownError


@router.get("/stream")
async def stream(request: Request) -> StreamingResponse:
    open_stream(request.scope, 60)

    async def parts() -> AsyncIterator[str]:
        yield "part"

    return StreamingResponse(parts(), headers=STREAM_HEADERS)


@router.get("/endless")
async def endless(request: Request, first: str = "") -> StreamingResponse:
    """Stream this text, and then nothing more."""
    open_stream(request.scope, 60)

    async def parts() -> AsyncIterator[str]:
        yield first
        await asyncio.Event().wait()

    return StreamingResponse(parts(), headers=STREAM_HEADERS)


@router.get("/public")
async def public() -> Response:
    return json_response({}, headers={"Cache-Control": "public, max-age=60"})


@router.get("/unannounced")
async def unannounced() -> StreamingResponse:
    """Return a body of unknown length that doesn't end, without saying so."""

    async def parts() -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""

    return StreamingResponse(parts())


@router.post("/log")
async def log() -> None:
    logging.getLogger("sample").warning("something happened", extra={"items": 3})


@router.get("/modules")
async def modules() -> list[str]:
    """Return the modules of OpenTelemetry, protobuf and SQLAlchemy that this process has imported."""
    return sorted(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "sqlalchemy")))


router.include_router(items)


async def start(_app: FastAPI, _stack: AsyncExitStack) -> ServiceRuntime:
    """Return a task that waits; `SAMPLE_CRASH=start` makes the start fail, `SAMPLE_CRASH=task` the task."""
    if os.environ.get("SAMPLE_CRASH") == "start":
        raise RuntimeError("can't start")
    return ServiceRuntime(tasks={"consumer": _consume})


async def _consume() -> None:
    if os.environ.get("SAMPLE_CRASH") == "task":
        raise RuntimeError("can't consume")
    await asyncio.Event().wait()


def create() -> FastAPI:
    return create_with(PlatformSettings())


def create_with(settings: PlatformSettings) -> FastAPI:
    return create_app(
        settings, name="sample", title="Sample", routers=[router], start=start, unavailable_on=(StoreDownError,)
    )
