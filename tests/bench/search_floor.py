"""An endpoint with the parameters and middleware of search that always returns the same bytes, for comparison.

`python -m tests.bench.search_floor` serves it like a service; `MILLRACE_BENCH_BODY` is the size of the body in bytes.
"""

import os
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request, Response

from millrace_platform.application import ServiceRuntime, create_app
from millrace_platform.serve import serve
from millrace_platform.settings import PlatformSettings
from millrace_search.find.schemas import SearchParameters

router = APIRouter()


@router.get("/v1/search")
async def floor(request: Request, parameters: Annotated[SearchParameters, Query()]) -> Response:
    return Response(request.app.state.body, media_type="application/json")


async def start(app: FastAPI, stack: AsyncExitStack) -> ServiceRuntime:
    app.state.body = b'"' + b"x" * (int(os.environ["MILLRACE_BENCH_BODY"]) - 2) + b'"'
    return ServiceRuntime()


def create() -> FastAPI:
    return create_app(PlatformSettings(), name="search-floor", title="Floor", routers=[router], start=start)


if __name__ == "__main__":
    serve("tests.bench.search_floor:create")
