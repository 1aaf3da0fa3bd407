"""Create a service's FastAPI application with middleware, health endpoints, problem handlers, background tasks."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware import Middleware

from millrace_feeds.clock import Clock
from millrace_platform.background import Background, Task
from millrace_platform.cors import Cors
from millrace_platform.health import Check, Readiness, install_health
from millrace_platform.ids import Ids, Uuid7
from millrace_platform.internal import require_internal_access
from millrace_platform.json_input import check_body_text
from millrace_platform.limits import Limits, RequestLimits
from millrace_platform.middleware import ErrorHandling, HostCheck, RequestContext
from millrace_platform.openapi import ServiceApplication, operation_id, problems, require_unique_operation_ids
from millrace_platform.problems import install_problem_handlers
from millrace_platform.query import QueryCheck
from millrace_platform.routing import TypedRoutes
from millrace_platform.service_tokens import ServiceTokenVerifier
from millrace_platform.settings import PlatformSettings
from millrace_platform.tracing import RequestMeter, Tracing

TASKS_TIMEOUT = 24.0
"""Seconds in which background tasks must end after they were cancelled."""
SUPPORTING_TIMEOUT = 2.0
"""Seconds in which supporting tasks must end after they were cancelled."""


@dataclass(frozen=True)
class ServiceRuntime:
    """The background tasks and readiness checks of a service, by name.

    Tasks run until they are cancelled; the process stops if one raises or returns. `tasks` are cancelled as soon as
    the server accepts no new requests; `supporting` tasks, which requests depend on, after the last response.
    `/readyz` runs the checks.
    """

    tasks: Mapping[str, Task] = field(default_factory=dict)
    supporting: Mapping[str, Task] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)


Start: TypeAlias = Callable[[FastAPI, AsyncExitStack], Awaitable[ServiceRuntime]]
"""Opens the service's dependencies, which the stack closes after all tasks, and stores them in `app.state`."""


def create_app(
    settings: PlatformSettings,
    *,
    name: str,
    title: str,
    routers: Sequence[APIRouter],
    start: Start,
    unavailable_on: tuple[type[Exception], ...] = (),
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> FastAPI:
    """Create a service's application with `/healthz`, `/readyz`, problem responses, request limits and its tasks.

    A query parameter that the endpoint doesn't declare, or that is repeated without being a list, is a 422. `name`
    identifies the service in logs and telemetry. If a request raises one of the exception types
    `unavailable_on`, which mean that a store can't be reached, the response is 503. `start` opens the connections when
    the server starts the application. Raises `ValueError` if an `/internal` endpoint doesn't check its callers.
    """
    background = Background()
    readiness = Readiness(background, check_timeout=settings.check_timeout)
    check_query = QueryCheck()
    app = ServiceApplication(
        title=title,
        lifespan=_lifespan(start, background, readiness, settings.start_timeout),
        middleware=_middleware(settings, unavailable_on, ids or Uuid7(), routers),
        dependencies=[Depends(check_query), Depends(check_body_text)],
        responses=problems(422),
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # FastAPI's telemetry would export raw paths and queries; `tracing` exports neither.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.name = name
    app.state.settings = settings
    app.state.background = background
    app.state.clock = clock = clock or settings.clock()
    app.state.service_tokens = ServiceTokenVerifier(name, settings.caller_keys(name), clock)
    install_problem_handlers(app)
    install_health(app, readiness)
    for router in routers:
        app.include_router(router)
    check_query.add_routes(app.routes)
    require_unique_operation_ids(app)
    require_internal_access(app)
    return app


def _lifespan(
    start: Start, background: Background, readiness: Readiness, start_timeout: float
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        supporting = Background()
        supporting.on_failure = lambda: background.fail(str(supporting.failed))
        async with AsyncExitStack() as stack:
            running = await start(app, stack)
            supporting.start(running.supporting)
            background.start(running.tasks)
            readiness.open(running.checks)
            # The server listens after this: a load balancer may send requests from its first moment on.
            await readiness.wait_until_ready(start_timeout)
            try:
                yield
            finally:
                background.stop()
                await background.join(TASKS_TIMEOUT)
                supporting.stop()
                await supporting.join(SUPPORTING_TIMEOUT)

    return lifespan


def _middleware(
    settings: PlatformSettings, unavailable_on: tuple[type[Exception], ...], ids: Ids, routers: Sequence[APIRouter]
) -> list[Middleware]:
    exporting = settings.otlp_endpoint is not None
    return [
        *([Middleware(Tracing)] if exporting else []),
        Middleware(RequestContext, ids=ids, meter=RequestMeter() if exporting else None),
        *([Middleware(Cors, origins=settings.cors_origins)] if settings.cors_origins else []),
        Middleware(ErrorHandling, unavailable_on=unavailable_on),
        Middleware(HostCheck, hosts=settings.hosts),
        Middleware(RequestLimits, limits=_limits(settings)),
        Middleware(TypedRoutes, routers=routers),
    ]


def _limits(settings: PlatformSettings) -> Limits:
    return Limits(
        header_count=settings.header_count_limit,
        head_size=settings.head_limit,
        body_size=settings.body_limit,
        seconds=settings.request_timeout,
        requests=settings.concurrency_limit,
        uploads=settings.upload_limit,
        streams=settings.stream_limit,
        source_streams=settings.source_stream_limit,
        hops=settings.proxy_hops,
    )
