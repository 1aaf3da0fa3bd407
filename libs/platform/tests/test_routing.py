"""A direct route answers as FastAPI's own does."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from millrace_platform.context import UNMATCHED, route_template
from millrace_platform.errors import Forbidden
from millrace_platform.ids import Uuid7
from millrace_platform.middleware import Bounds, Faults, RequestContext
from millrace_platform.problems import install_problem_handlers
from millrace_platform.routing import DirectRoute, DirectRoutes

JSON = {"Content-Type": "application/json"}


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int
    name: str = "a"


class Filter(BaseModel):
    limit: int = Field(default=3, le=10)
    kinds: list[int] = Field(default=[], alias="kind")


async def caller(request: Request, x_caller: Annotated[str | None, Header()] = None) -> str:
    if x_caller is None:
        raise Forbidden(f"No stranger at {request.url.path}.")
    return x_caller


async def guest(known: Annotated[str, Depends(caller)]) -> str:
    return known.upper()


async def write(request: Request, who: Annotated[str, Depends(guest)], body: Body) -> Response:
    return Response(f"{request.method} {who} {body.count} {body.name}")


async def read(parameters: Annotated[Filter, Query()]) -> Response:
    return Response(f"{parameters.limit} {parameters.kinds}")


def client_of(route_class: type[APIRoute]) -> httpx.AsyncClient:
    bounds = Middleware(Bounds, header_count=100, head_size=10_000, body_size=1_000, seconds=5.0, at_once=10)
    app = FastAPI(middleware=[Middleware(Faults), bounds, Middleware(DirectRoutes)])
    install_problem_handlers(app)
    router = APIRouter(route_class=route_class, prefix="/v1")
    router.post("/things")(write)
    router.get("/other")(read)
    app.include_router(router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(
    ("method", "url", "headers", "content", "status"),
    [
        ("POST", "/things", {"X-Caller": "jo", **JSON}, b'{"count": 1}', 200),
        ("POST", "/things", {"X-Caller": "jo", "Content-Type": "application/json; charset=utf-8"}, b'{"count":1}', 200),
        ("POST", "/things", {"X-Caller": "jo", **JSON}, b'{"count": "x", "more": 1}', 422),
        ("POST", "/things", {"X-Caller": "jo", **JSON}, b'{"count": ', 422),
        ("POST", "/things", {"X-Caller": "jo", **JSON}, b"\xff", 422),
        ("POST", "/things", {"X-Caller": "jo", **JSON}, b"", 422),
        ("POST", "/things", {"X-Caller": "jo", "Content-Type": "text/plain"}, b'{"count": 1}', 415),
        ("POST", "/things", {"X-Caller": "jo"}, b'{"count": 1}', 415),
        ("POST", "/things", JSON, b'{"count": 1}', 403),
        ("PUT", "/things", JSON, b'{"count": 1}', 405),
        ("GET", "/other", {}, b"", 200),
        ("GET", "/other?limit=7", {}, b"", 200),
        ("GET", "/other?limit=11", {}, b"", 422),
        ("GET", "/other?kind=1&limit=7&kind=2", {}, b"", 200),
        ("GET", "/other?kind=1&kind=b", {}, b"", 422),
        ("DELETE", "/other", {}, b"", 405),
    ],
)
async def test_it_answers_as_fastapi_does(
    method: str, url: str, headers: Mapping[str, str], content: bytes, status: int
) -> None:
    answers = []
    for route_class in (APIRoute, DirectRoute):
        async with client_of(route_class) as client:
            answers.append(await client.request(method, f"/v1{url}", headers=headers, content=content))
    ours, theirs = answers
    assert ours.status_code == theirs.status_code == status
    assert (ours.content, dict(ours.headers)) == (theirs.content, dict(theirs.headers))


async def test_a_body_that_turns_out_too_large() -> None:
    """Its length wasn't announced."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * 400

    answers = []
    for route_class in (APIRoute, DirectRoute):
        async with client_of(route_class) as client:
            answers.append(await client.post("/v1/things", headers={"X-Caller": "jo", **JSON}, content=pieces()))
    ours, theirs = answers
    assert ours.status_code == theirs.status_code == 413
    assert ours.content == theirs.content


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/v1/other", False),
        ("GET", "/v1/other?limit=11", True),
        ("HEAD", "/v1/other", True),
        ("GET", "/v1/others", True),
        ("GET", "/v1/other/", True),
    ],
)
async def test_the_application_is_asked_for_all_else(method: str, path: str, asked: bool) -> None:
    app = FastAPI()
    router = APIRouter(route_class=DirectRoute)
    router.get("/v1/other")(read)
    app.include_router(router)
    scopes: list[Scope] = []

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        scopes.append(scope)
        await layer(scope, receive, send)

    async def everything(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = None
        await Response("asked")(scope, receive, send)

    layer = DirectRoutes(everything)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://test") as client:
        answer = await client.request(method, path)
    assert (answer.content in (b"asked", b"")) is asked
    assert [route_template(scope) for scope in scopes] == [UNMATCHED if asked else "/v1/other"]


async def test_layers_around_learn_the_route_of_a_head_too() -> None:
    """`RequestContext` answers HEAD with a scope of its own."""
    app = FastAPI()
    router = APIRouter(route_class=DirectRoute)
    router.get("/v1/other")(read)
    app.include_router(router)
    inner = RequestContext(DirectRoutes(app), ids=Uuid7())
    scopes: list[Scope] = []

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        scopes.append(scope)
        await inner(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://test") as client:
        assert (await client.head("/v1/other")).status_code == 200
        assert (await client.head("/v1/other?limit=11")).status_code == 422
    assert [route_template(scope) for scope in scopes] == ["/v1/other", "/v1/other"]


async def test_it_is_described_as_by_fastapi() -> None:
    documents: list[Any] = []
    for route_class in (APIRoute, DirectRoute):
        app = FastAPI()
        router = APIRouter(route_class=route_class)
        router.post("/things")(write)
        router.get("/other")(read)
        app.include_router(router)
        documents.append(app.openapi())
    assert documents[0] == documents[1]


async def two_bodies(one: Body, other: Filter) -> Response:
    return Response(f"{one}{other}")


async def of_the_path(number: int) -> Response:
    return Response(str(number))


@pytest.mark.parametrize(("path", "endpoint"), [("/a", two_bodies), ("/{number}", of_the_path), ("/a", of_the_path)])
def test_what_it_cannot_give_is_refused_at_once(path: str, endpoint: Any) -> None:
    with pytest.raises(TypeError):
        APIRouter(route_class=DirectRoute).post(path)(endpoint)
