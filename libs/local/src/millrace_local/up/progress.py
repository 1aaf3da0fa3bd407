"""Waits until imported data have reached the services that use them."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx

from millrace_local.up.child import Clock
from millrace_platform.context import service_agent
from millrace_platform.service_tokens import CallPurpose, operator_headers
from millrace_platform.tls import TlsSettings

IMPORTER = "directory"
"""The service that runs imports."""
SEARCH_STAGES = (IMPORTER, "refinery", "projector")
"""The services through which imported data reach the search, in order."""
CALENDAR_STAGES = (IMPORTER, "refinery", "scheduling")
"""The services through which imported data reach the one that creates calendars, in order."""
# Longer than a record can be between two stages without either of them counting it.
SETTLED_SECONDS = 1.5
POLL_SECONDS = 0.25
AGENT = service_agent("up")
REQUEST_SECONDS = 5.0
STANDSTILL_SECONDS = 120.0

WORK = {"backlog", "pending", "in_flight", "lag_ms"}
DONE = {"published", "handled"}

Progress = tuple[float | None, ...]


class NotDrainedError(RuntimeError):
    """Imported data did not arrive; the text says for how long there was no progress."""


def progress_if_idle(statuses: Mapping[str, Any]) -> Progress | None:
    """Return the services' counters of finished work, or None while one of them has work or is unavailable.

    `statuses` are the status pages by service. A service has work while any `backlog` or `pending` (outbox rows),
    `in_flight` (records) or `lag_ms` isn't 0, or a consumer doesn't know its lag yet.
    """
    if any(status is None for status in statuses.values()):
        return None
    values = [value for status in statuses.values() for value in _values(status, WORK)]
    if any(value != 0 for value in values):
        return None
    consumers = [list(_values(status, {"lag_ms"})) for stage, status in statuses.items() if stage != IMPORTER]
    if not all(consumers):
        return None
    return tuple(_done(statuses))


def work_done(statuses: Mapping[str, Any]) -> float:
    """Return the sum of the services' counters of finished work; it decreases if one is unavailable or restarts."""
    return sum(value or 0.0 for value in _done(statuses))


def _done(statuses: Mapping[str, Any]) -> Iterator[float | None]:
    return (value for status in statuses.values() for value in _values(status, DONE))


async def until_drained(variables: Mapping[str, str], stages: Sequence[str], clock: Clock) -> None:
    """Wait until all these services have been idle for SETTLED_SECONDS. Raise NotDrainedError."""
    settled: Progress | None = None
    since = clock()
    async with aclosing(_statuses(variables, stages, clock)) as seen:
        async for statuses in seen:
            if (progress := progress_if_idle(statuses)) != settled:
                settled, since = progress, clock()
            if settled is not None and clock() - since >= SETTLED_SECONDS:
                return


async def until_served(variables: Mapping[str, str], moment: float, clock: Clock) -> None:
    """Wait until the served read model has all records that were on the feed at `moment` (Unix seconds).

    Doesn't wait for later records, so the projector needn't be idle. Raise NotDrainedError.
    """
    async with aclosing(_statuses(variables, ["projector"], clock)) as seen:
        async for statuses in seen:
            if (status := statuses["projector"]) is not None and _holds(status["read_model"], moment):
                return


async def until_found(variables: Mapping[str, str], query: str, clock: Clock) -> None:
    """Wait until a search with this query finds something, or all imported data are searched. Raise NotDrainedError."""
    url = f"{variables['MILLRACE_SEARCH_URL']}/v1/search?{query}"
    async with (
        _client() as client,
        aclosing(_statuses(variables, SEARCH_STAGES, clock)) as seen,
    ):
        async for statuses in seen:
            if await _finds(client, url) or progress_if_idle(statuses) is not None:
                return


def _client() -> httpx.AsyncClient:
    tls = TlsSettings().service_context()
    return httpx.AsyncClient(verify=tls, timeout=REQUEST_SECONDS, trust_env=False, headers=AGENT)


async def _finds(client: httpx.AsyncClient, url: str) -> bool:
    try:
        response = await client.get(url)
        return response.status_code == httpx.codes.OK and bool(response.json()["results"])
    except (httpx.HTTPError, ValueError, KeyError):
        return False


def _holds(read_model: Mapping[str, Any], moment: float) -> bool:
    complete = min(read_model["as_of"].values(), default=0.0)
    return read_model["generation"] is not None and complete >= moment


async def _statuses(
    variables: Mapping[str, str], stages: Sequence[str], clock: Clock
) -> AsyncGenerator[Mapping[str, Any], None]:
    """Yield the services' status pages repeatedly. Raise NotDrainedError after STANDSTILL_SECONDS without progress."""
    most, moved = -1.0, clock()
    async with _client() as client:
        while clock() - moved <= STANDSTILL_SECONDS:
            pages = await asyncio.gather(*(_status(client, variables, stage) for stage in stages))
            statuses = dict(zip(stages, pages, strict=True))
            if (done := work_done(statuses)) > most:
                most, moved = done, clock()
            yield statuses
            await asyncio.sleep(POLL_SECONDS)
    raise NotDrainedError(f"the demo data did not arrive: no progress for {STANDSTILL_SECONDS:.0f} s")


async def _status(client: httpx.AsyncClient, variables: Mapping[str, str], stage: str) -> Any:
    try:
        url = f"{variables[f'MILLRACE_{stage.upper()}_URL']}/internal/{stage}/status"
        response = await client.get(url, headers=operator_headers(variables, stage, CallPurpose.STATUS))
        return response.json() if response.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError):
        return None


def _values(node: Any, names: set[str]) -> Iterator[float | None]:
    match node:
        case dict():
            for name, value in node.items():
                if name in names and not isinstance(value, dict | list):
                    yield value
                else:
                    yield from _values(value, names)
        case list():
            for item in node:
                yield from _values(item, names)
