"""Query parameters that a route doesn't accept, or that are given twice, are refused."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.datastructures import QueryParams

from millrace_platform.application import ServiceRuntime
from millrace_platform.query import MAX_ERRORS, MAX_NAME_LENGTH, AcceptedQuery
from millrace_platform.routing import TypedRouter
from millrace_platform.testing import run_app

from .conftest import create_app_with


class Filter(BaseModel):
    from_: Annotated[int, Field(alias="from")] = 0
    kinds: Annotated[list[str], Field(alias="kind")] = []


async def page(limit: Annotated[int, Query(le=100)] = 10) -> int:
    return limit


async def list_things(limit: Annotated[int, Depends(page)], filters: Annotated[Filter, Query()]) -> list[Any]:
    return [limit, filters.from_, filters.kinds]


async def search_things(filters: Annotated[Filter, Query()]) -> Response:
    return Response(f"{filters.from_} {filters.kinds}")


async def get_thing(key: str) -> str:
    return key


async def create_thing() -> None: ...


async def stream_things() -> StreamingResponse:
    def parts() -> Iterator[str]:
        yield "thing"

    return StreamingResponse(parts())


def routers() -> list[APIRouter]:
    router = APIRouter(prefix="/v1/things")
    router.get("")(list_things)
    router.get("/stream")(stream_things)
    router.get("/{key}")(get_thing)
    router.post("")(create_thing)
    typed = TypedRouter(prefix="/v1/typed")
    typed.get("")(search_things)
    outer = APIRouter()
    outer.include_router(router)
    return [outer, typed]


THINGS = "from, kind, limit"


@pytest.mark.parametrize(
    ("method", "url", "errors"),
    [
        ("GET", "/v1/things?limit=1&from=2&kind=a&kind=b", None),
        ("GET", "/v1/things?limti=1", {"limti": f"Did you mean limit? Accepted are {THINGS}."}),
        ("GET", "/v1/things?offset=1&sort=a", dict.fromkeys(("offset", "sort"), f"Remove it. Accepted are {THINGS}.")),
        ("GET", "/v1/things?key", {"key": f"Remove it. Accepted are {THINGS}."}),
        ("GET", "/v1/things?limit=1&limit=1", {"limit": "Give it once."}),
        ("GET", "/v1/things?from_=1", {"from_": f"Did you mean from? Accepted are {THINGS}."}),
        ("GET", "/v1/things?from=1&from=2", {"from": "Give it once."}),
        ("GET", "/v1/things/a", None),
        ("GET", "/v1/things/a?key=b", {"key": "Remove it; this request accepts no query parameters."}),
        ("HEAD", "/v1/things/a?key=b", {}),
        ("POST", "/v1/things?limit=1", {"limit": "Remove it; this request accepts no query parameters."}),
        ("GET", "/v1/things/stream?limit=1", {"limit": "Remove it; this request accepts no query parameters."}),
        ("GET", "/v1/typed?from=2&kind=a&kind=b", None),
        ("GET", "/v1/typed?limit=1", {"limit": "Remove it. Accepted are from, kind."}),
        ("GET", "/v1/typed?from=1&from=2", {"from": "Give it once."}),
        ("GET", "/healthz?probe=1&probe=2", None),
        ("GET", "/readyz?probe=1", None),
    ],
)
async def test_unknown_and_repeated_parameters_are_refused(
    method: str, url: str, errors: dict[str, str] | None
) -> None:
    async with run_app(create_app_with(ServiceRuntime(), *routers())) as client:
        response = await client.request(method, url)
    if errors is None:
        assert response.is_success, response.text
    else:
        assert response.status_code == 422
        assert response.headers["Content-Type"] == "application/problem+json"
        reported = response.json()["errors"] if method != "HEAD" else []
        assert {error["field"]: error["remedy"] for error in reported} == errors


async def test_refusal_does_not_repeat_values() -> None:
    async with run_app(create_app_with(ServiceRuntime(), *routers())) as client:
        response = await client.get("/v1/things?patient=jane.doe&limit=4711&limit=4711")
    assert "jane.doe" not in response.text
    assert "4711" not in response.text


async def test_refusal_of_many_parameters_is_short() -> None:
    query = "&".join(f"{number}{'x' * 2 * MAX_NAME_LENGTH}" for number in range(3 * MAX_ERRORS))
    async with run_app(create_app_with(ServiceRuntime(), *routers())) as client:
        response = await client.get(f"/v1/things?{query}")
    fields = [error["field"] for error in response.json()["errors"]]
    assert [len(field) for field in fields] == [MAX_NAME_LENGTH] * MAX_ERRORS


def test_parameters_can_be_given_in_any_order_and_encoding() -> None:
    accepted = AcceptedQuery({"from": None, "kind": None}, frozenset({"kind"}))
    accepted.check(QueryParams("kind=a&%66rom=1&kind=&kind=b"))


def test_every_operation_documents_the_refusal() -> None:
    document = create_app_with(ServiceRuntime(), *routers()).openapi()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len(operations) == 5
    for operation in operations:
        assert operation["responses"]["422"]["content"].keys() == {"application/problem+json"}
