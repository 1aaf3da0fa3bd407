"""A service as the tests of this package run it, in this process or in one of its own."""

import asyncio
import gc
import logging
import os
import sys
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, Field

from millrace_platform.application import Running, create_app
from millrace_platform.errors import Conflict
from millrace_platform.middleware import prolong
from millrace_platform.settings import PlatformSettings

SECRET = "jane.doe@example.org"


class StoreDownError(Exception):
    """The store can't be reached."""


class Address(BaseModel):
    zip: Annotated[str, Field(pattern="^[0-9]{5}$")]


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


@router.get("/boom")
async def boom() -> None:
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


@router.get("/hurry")
async def hurry(request: Request) -> None:
    prolong(request.scope, 0)
    await asyncio.Event().wait()


@router.post("/log")
async def log() -> None:
    logging.getLogger("sample").warning("something happened", extra={"items": 3})


@router.get("/modules")
async def modules() -> list[str]:
    """What this process has imported of OpenTelemetry, protobuf and SQLAlchemy."""
    return sorted(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "sqlalchemy")))


router.include_router(items)


async def start(_app: FastAPI, _stack: AsyncExitStack) -> Running:
    """A task that fails as soon as the process is told by `SAMPLE_CRASH`; otherwise it waits."""
    if os.environ.get("SAMPLE_CRASH") == "start":
        raise RuntimeError("can't start")
    return Running(tasks={"consumer": _consume})


async def _consume() -> None:
    if os.environ.get("SAMPLE_CRASH") == "task":
        raise RuntimeError("can't consume")
    await asyncio.Event().wait()


def create() -> FastAPI:
    return make(PlatformSettings())


def make(settings: PlatformSettings) -> FastAPI:
    return create_app(
        settings, name="sample", title="Sample", routers=[router], start=start, unavailable_on=(StoreDownError,)
    )
