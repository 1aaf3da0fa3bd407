"""The application factory: what every service has around its own routes and tasks."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from millrace_platform.background import Background, Task
from millrace_platform.health import Check, Readiness, install_health
from millrace_platform.ids import Ids, Uuid7
from millrace_platform.middleware import Bounds, Faults, RequestContext
from millrace_platform.openapi import DescribedApplication, operation_id, require_unique_operation_ids
from millrace_platform.problems import install_problem_handlers
from millrace_platform.routing import include
from millrace_platform.settings import PlatformSettings
from millrace_platform.tracing import RequestMeter, Tracing

TASKS_TIMEOUT = 24.0
"""Seconds that background tasks have to finish what they have in flight once the process was told to stop."""
SUPPORTING_TIMEOUT = 2.0
"""As `TASKS_TIMEOUT`, of those that requests depend on."""


@dataclass(frozen=True)
class Running:
    """What a service runs beside its requests, by name.

    Tasks run until they are cancelled; one that raises or returns brings the process down. They are cancelled as soon
    as no new requests are taken; `supporting` ones, which requests depend on, once the last request is answered.
    Checks make `/readyz`.
    """

    tasks: Mapping[str, Task] = field(default_factory=dict)
    supporting: Mapping[str, Task] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)


Start: TypeAlias = Callable[[FastAPI, AsyncExitStack], Awaitable[Running]]
"""Opens what the service needs on the stack (closed after its tasks have ended) and leaves it on `app.state`."""


def create_app(
    settings: PlatformSettings,
    *,
    name: str,
    title: str,
    routers: Sequence[APIRouter],
    start: Start,
    unavailable_on: tuple[type[Exception], ...] = (),
    ids: Ids | None = None,
) -> FastAPI:
    """A service: its routes, `/healthz`, `/readyz`, problems for every error, request ids, bounds, background tasks.

    `name` is the service's in logs and telemetry. `unavailable_on` are exceptions of stores that can't be reached:
    they are answered with 503. Nothing is opened before the lifespan begins.
    """
    background = Background()
    readiness = Readiness(background, check_timeout=settings.check_timeout)
    app = DescribedApplication(
        title=title,
        lifespan=_lifespan(start, background, readiness),
        middleware=_middleware(settings, unavailable_on, ids or Uuid7()),
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # Ours carries neither raw paths nor queries; see `tracing`.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.name = name
    app.state.settings = settings
    app.state.background = background
    install_problem_handlers(app)
    install_health(app, readiness)
    for router in routers:
        include(app, router)
    require_unique_operation_ids(app)
    return app


def _lifespan(
    start: Start, background: Background, readiness: Readiness
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
            try:
                yield
            finally:
                background.stop()
                await background.join(TASKS_TIMEOUT)
                supporting.stop()
                await supporting.join(SUPPORTING_TIMEOUT)

    return lifespan


def _middleware(settings: PlatformSettings, unavailable_on: tuple[type[Exception], ...], ids: Ids) -> list[Middleware]:
    exporting = settings.otlp_endpoint is not None
    return [
        *([Middleware(Tracing)] if exporting else []),
        Middleware(RequestContext, ids=ids, meter=RequestMeter() if exporting else None),
        Middleware(Faults, unavailable_on=unavailable_on),
        Middleware(
            Bounds,
            header_count=settings.header_count_limit,
            head_size=settings.head_limit,
            body_size=settings.body_limit,
            seconds=settings.request_timeout,
            at_once=settings.concurrency_limit,
        ),
    ]
