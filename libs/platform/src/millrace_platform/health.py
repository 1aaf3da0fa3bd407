"""Health endpoints. `/healthz`: the process runs. `/readyz`: its stores are available and its tasks run."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from starlette.responses import Response

from millrace_platform.background import Background
from millrace_platform.errors import Unavailable
from millrace_platform.problems import problem_response

Check = Callable[[], Awaitable[None]]
"""Checks a dependency; raises any exception if it is not available."""

OK = "ok"
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5
"""Seconds between two runs of the checks at the start; the pause doubles from the first to the longest."""
FAILED = "failed"
TIMED_OUT = "timed out"
START_SECONDS = 60.0
"""Time in which a check may fail until its first success without a warning: its dependency may be starting too."""

_log = logging.getLogger("millrace.health")


class Readiness:
    """Reports whether the service is ready: after `open`, while all checks succeed and no background task failed.

    Logs a check when its result changes, not each time.
    """

    def __init__(
        self, background: Background, *, check_timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._background = background
        self._timeout = check_timeout
        self._clock = clock
        self._opened = 0.0
        self._succeeded: set[str] = set()
        self._logged: dict[str, tuple[str, bool]] = {}
        self._checks: Mapping[str, Check] | None = None

    def open(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._opened = self._clock()

    async def wait_until_ready(self, seconds: float) -> None:
        """Return once all checks succeed or a background task failed, after `seconds` at the latest.

        A store may become available later: `/readyz` reports which one is missing.
        """
        pause = FIRST_PAUSE
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._background.failed is None and not await self._all_succeed():
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)

    async def _all_succeed(self) -> bool:
        try:
            await asyncio.gather(*(check() for check in (self._checks or {}).values()))
        except Exception as error:  # expected while connections open; `/readyz` logs those that last
            _log.debug("not ready yet", exc_info=error)
            return False
        return True

    async def report(self) -> dict[str, str]:
        """Run all checks at once; return the result of each: `ok`, `failed` or `timed out`. Details are only logged."""
        if self._checks is None or self._background.stopping:
            return {"lifespan": "stopping" if self._background.stopping else "starting"}
        found = await asyncio.gather(*(self._run(name, check) for name, check in self._checks.items()))
        failed = self._background.failed
        return {**dict(zip(self._checks, found, strict=True)), "tasks": OK if failed is None else f"{failed} failed"}

    async def _run(self, name: str, check: Check) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                await check()
        except TimeoutError as error:
            self._note(name, TIMED_OUT, error)
            return TIMED_OUT
        except Exception as error:
            self._note(name, FAILED, error)
            return FAILED
        self._note(name, OK, None)
        return OK

    def _note(self, name: str, result: str, error: Exception | None) -> None:
        """Log the check's result unless it is as logged before; a first success isn't logged."""
        if error is None:
            self._succeeded.add(name)
            if self._logged.pop(name, None) is not None:
                _log.info("check succeeded", extra={"check": name})
            return
        is_starting = name not in self._succeeded and self._clock() - self._opened < START_SECONDS
        if self._logged.get(name) == (result, is_starting):
            return
        self._logged[name] = result, is_starting
        if is_starting:
            _log.info("waiting for a check", extra={"check": name})
        else:
            _log.warning(f"check {result}", extra={"check": name}, exc_info=error if result == FAILED else None)


def install_health(app: FastAPI, readiness: Readiness) -> None:
    """Add `/healthz` and `/readyz`; they are not part of the API's OpenAPI document.

    A probe may add any query, for example against caches.
    """

    async def healthz(_request: Request) -> Response:
        return _json({"status": OK})

    async def readyz(_request: Request) -> Response:
        report = await readiness.report()
        bad = [name for name, state in report.items() if state != OK]
        if bad:
            return problem_response(Unavailable("; ".join(f"{name}: {report[name]}" for name in bad)))
        return _json({"status": "ready", "checks": report})

    app.add_route("/healthz", healthz, include_in_schema=False)
    app.add_route("/readyz", readyz, include_in_schema=False)


def _json(members: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(members), media_type="application/json", headers={"Cache-Control": "no-store"})
