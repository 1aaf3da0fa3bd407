"""Run a service as a process: `serve("millrace_directory.main:create")`."""

import gc
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from millrace_platform.background import Background
from millrace_platform.logging import configure_logging
from millrace_platform.protocol import HeadLimitingProtocol, detect_vanished_peers
from millrace_platform.settings import PlatformSettings, setting_problems
from millrace_platform.telemetry import telemetry
from millrace_platform.tls import report_expiry

KEEP_ALIVE_SECONDS = 75
"""Idle time of a connection until we close it; longer than the load balancer's 60 s, so that it closes first."""
DRAIN_SECONDS = 25
"""Seconds in which running requests must complete after SIGTERM."""
DEADLINE_SECONDS = 29.0
"""Seconds from SIGTERM to a forced exit; ECS kills the process after 30 s."""
GC_THRESHOLD = 10_000
"""Number of new objects (those of a few requests) that triggers a garbage collection of about a millisecond."""

EXIT_FAILED = 1
EXIT_USAGE = 2

_log = logging.getLogger("millrace.serve")


class _Server(uvicorn.Server):
    """A uvicorn server that cancels the background tasks at shutdown, while the last requests are still running."""

    def __init__(self, config: uvicorn.Config, background: Background) -> None:
        super().__init__(config)
        self._background = background
        background.on_failure = self._on_failure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in self._listeners():
            detect_vanished_peers(listener)
        _freeze_long_lived_objects()
        _log.info("listening", extra={"addresses": self._addresses()})

    def _addresses(self) -> list[str]:
        return [f"{host}:{port}" for host, port, *_ in (listener.getsockname() for listener in self._listeners())]

    def _listeners(self) -> list[socket.socket]:
        return [listener for server in self.servers for listener in server.sockets]

    def _on_failure(self) -> None:
        exit_after(DEADLINE_SECONDS)
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # The deadline counts from the signal, which may come while the service is still starting.
        exit_after(DEADLINE_SECONDS)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._background.stop()
        await super().shutdown(sockets)


def _freeze_long_lived_objects() -> None:
    """Exclude the objects made at startup (modules, routes, models: some 200,000) from garbage collection.

    Scanning them would block all requests for 0.1 s and more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])
    gc.enable()


def serve(factory: str) -> None:
    """Run the application that `factory` (`package.module:function`) returns until SIGTERM or SIGINT.

    Exits with 1 if the start or a background task failed, with 2 on invalid settings.
    """
    app = _create(factory)
    settings: PlatformSettings = app.state.settings
    background: Background = app.state.background
    configure_logging(service=app.state.name, level=settings.log_level, format=settings.log_format)
    server = _Server(_config(app, settings), background)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_handled)
    with telemetry(settings, service=app.state.name):
        if settings.tls_certificate is not None:
            report_expiry(settings.tls_certificate, app.state.clock)
        server.run()
    _log.info("stopped")
    if background.failed is not None or not server.started:
        sys.exit(EXIT_FAILED)


def _create(factory: str) -> FastAPI:
    module, _, function = factory.partition(":")
    # Imports make many objects and no garbage, so collection begins only after the server has started.
    gc.disable()
    try:
        app = getattr(importlib.import_module(module), function)()
    except ValidationError as error:
        sys.stderr.writelines(f"{line}\n" for line in setting_problems(error))
        sys.exit(EXIT_USAGE)
    if not isinstance(app, FastAPI):
        raise TypeError(f"{factory} did not return a FastAPI application")
    return app


def _config(app: FastAPI, settings: PlatformSettings) -> uvicorn.Config:
    tls = settings.listener_context()
    return uvicorn.Config(
        app,
        host=settings.listen_host,
        port=settings.listen_port,
        loop="millrace_platform.protocol:EventLoop",
        ssl_context_factory=None if tls is None else lambda *_: tls,
        http=HeadLimitingProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _already_handled(_number: int, _frame: FrameType | None) -> None:
    """Ignore the signal that uvicorn raises again after its shutdown, so that the process exits with status 0."""


def exit_after(seconds: float) -> None:
    """Exit the process with status 1 after this many seconds, even if its event loop is blocked."""
    timer = threading.Timer(seconds, _abort)
    timer.daemon = True
    timer.start()


def _abort() -> None:
    _log.error("shutdown took too long")
    logging.shutdown()
    os._exit(EXIT_FAILED)
