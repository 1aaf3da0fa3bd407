"""Typed routes respond as FastAPI's own routes do."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from millrace_platform.context import route_template
from millrace_platform.errors import Forbidden
from millrace_platform.ids import Uuid7
from millrace_platform.json_input import check_body_text
from millrace_platform.limits import Limits, RequestLimits
from millrace_platform.middleware import ErrorHandling, RequestContext
from millrace_platform.problems import install_problem_handlers
from millrace_platform.query import QueryCheck
from millrace_platform.routing import TypedRoute, TypedRouter, TypedRoutes

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


def create_router(typed: bool, prefix: str = "") -> APIRouter:
    router = TypedRouter(prefix=prefix) if typed else APIRouter(prefix=prefix)
    router.post("/things")(write)
    router.get("/other")(read)
    return router


def create_client(router: APIRouter) -> httpx.AsyncClient:
    limits = Limits(
        header_count=100,
        head_size=10_000,
        body_size=1_000,
        seconds=5.0,
        requests=10,
        uploads=10,
        streams=0,
        source_streams=0,
        hops=1,
    )
    check_query = QueryCheck()
    app = FastAPI(
        middleware=[
            Middleware(ErrorHandling),
            Middleware(RequestLimits, limits=limits),
            Middleware(TypedRoutes, routers=[router]),
        ],
        dependencies=[Depends(check_query), Depends(check_body_text)],
    )
    install_problem_handlers(app)
    app.include_router(router)
    check_query.add_routes(app.routes)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def send_to_both(method: str, path: str, **request: Any) -> list[httpx.Response]:
    """Send the request to a typed router and to FastAPI's own."""
    responses = []
    for typed in (True, False):
        async with create_client(create_router(typed, "/v1")) as client:
            responses.append(await client.request(method, f"/v1{path}", **request))
    return responses


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
        ("GET", "/other?limit=11&sort=a", {}, b"", 422),
        ("GET", "/other?limit=1&limit=2", {}, b"", 422),
        ("POST", "/things?count=1", {"X-Caller": "jo", **JSON}, b'{"count": 1}', 422),
        ("POST", "/things?count=1", JSON, b'{"count": "x"}', 422),
        ("POST", "/things?count=1", JSON, b'{"count": ', 422),
        ("POST", "/things?count=1", {"Content-Type": "text/plain"}, b'{"count": 1}', 422),
        ("DELETE", "/other", {}, b"", 405),
        ("POST", "/things", {"X-Caller": "jo", **JSON}, b'{"count": 1, "\\ud800": 1}', 422),
        ("POST", "/things", {"X-Caller": "jo", **JSON}, b'{"count": "\\ud800"}', 422),
        ("POST", "/things?count=1", {"X-Caller": "jo", **JSON}, b'{"count": "\\ud800"}', 422),
        ("POST", "/things", {"X-Caller": "jo", **JSON}, b"[" * 900, 422),
    ],
)
async def test_typed_route_responds_as_fastapi_does(
    method: str, url: str, headers: Mapping[str, str], content: bytes, status: int
) -> None:
    typed, expected = await send_to_both(method, url, headers=headers, content=content)
    assert typed.status_code == expected.status_code == status
    assert (typed.content, dict(typed.headers)) == (expected.content, dict(expected.headers))


async def test_body_without_announced_length_is_refused_when_it_gets_too_large() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * 400

    for typed in (True, False):
        async with create_client(create_router(typed)) as client:
            response = await client.post("/things", headers={"X-Caller": "jo", **JSON}, content=chunks())
        assert response.status_code == 413


@pytest.mark.parametrize(("method", "path"), [("GET", "/other"), ("GET", "/other?limit=11"), ("HEAD", "/other")])
async def test_outer_layers_read_the_route_from_their_scope(method: str, path: str) -> None:
    router = create_router(typed=True)
    app = FastAPI(middleware=[Middleware(ErrorHandling), Middleware(TypedRoutes, routers=[router])])
    app.include_router(router)
    inner = RequestContext(app, ids=Uuid7())
    scopes: list[Scope] = []

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await inner(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://test") as client:
        await client.request(method, path)
    assert [route_template(scope) for scope in scopes] == ["/other"]
    # FastAPI would respond the same, so check that it is the typed route that serves the request.
    assert isinstance(scopes[0]["route"], TypedRoute)


def test_typed_routes_are_described_as_by_fastapi() -> None:
    documents: list[Any] = []
    for typed in (True, False):
        app = FastAPI()
        app.include_router(create_router(typed))
        documents.append(app.openapi())
    assert documents[0] == documents[1]


async def two_bodies(one: Body, other: Filter) -> Response:
    return Response(f"{one}{other}")


async def by_number(number: int) -> Response:
    return Response(str(number))


@pytest.mark.parametrize(("path", "endpoint"), [("/a", two_bodies), ("/{number}", by_number), ("/a", by_number)])
def test_unsupported_parameters_are_refused_when_the_route_is_added(path: str, endpoint: Any) -> None:
    with pytest.raises(TypeError):
        TypedRouter().post(path)(endpoint)
