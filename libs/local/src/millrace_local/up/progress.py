"""Whether what was imported has arrived at its readers."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx

from millrace_local.up.child import Clock

OWNER = "directory"
"""The service that takes imports in."""
WAY = (OWNER, "refinery", "projector")
"""The way of what is imported to where it is searched."""
PLACES = (OWNER, "refinery", "scheduling")
"""The way of what is imported to where calendars are made of it."""
# Longer than a record can be on its way between two stages without either of them counting it.
SETTLED_SECONDS = 1.5
POLL_SECONDS = 0.25
ASK_SECONDS = 5.0
STANDSTILL_SECONDS = 120.0

WORK = {"backlog", "pending", "in_flight", "lag_ms"}
DONE = {"published", "handled"}

Figures = tuple[float | None, ...]


class NotDrainedError(RuntimeError):
    """What was imported did not arrive; the text says for how long nothing moved."""


def figures_at_rest(statuses: Mapping[str, Any]) -> Figures | None:
    """What the stages have done so far, or None while one of them has work or can't be asked.

    `statuses` are the status pages by stage: a stage has work while any `backlog` or `pending` (rows of an outbox),
    `in_flight` (records) or `lag_ms` in it isn't 0, or a consumer doesn't know its lag yet.
    """
    if any(status is None for status in statuses.values()):
        return None
    values = [value for status in statuses.values() for value in _values(status, WORK)]
    if any(value != 0 for value in values):
        return None
    consumers = [list(_values(status, {"lag_ms"})) for stage, status in statuses.items() if stage != OWNER]
    if not all(consumers):
        return None
    return tuple(_done(statuses))


def work_done(statuses: Mapping[str, Any]) -> float:
    """How much the stages have done so far, all together; it falls when one can't be asked or begins anew."""
    return sum(value or 0.0 for value in _done(statuses))


def _done(statuses: Mapping[str, Any]) -> Iterator[float | None]:
    return (value for status in statuses.values() for value in _values(status, DONE))


async def until_drained(variables: Mapping[str, str], stages: Sequence[str], clock: Clock) -> None:
    """Wait until all these stages are at rest and stay so for a while. Raises NotDrainedError."""
    rest: Figures | None = None
    since = clock()
    async with aclosing(_statuses(variables, stages, clock)) as seen:
        async for statuses in seen:
            if (figures := figures_at_rest(statuses)) != rest:
                rest, since = figures, clock()
            if rest is not None and clock() - since >= SETTLED_SECONDS:
                return


async def until_served(variables: Mapping[str, str], moment: float, clock: Clock) -> None:
    """Wait for a read model that holds all that was on the feed at a moment (unix seconds). Raises NotDrainedError.

    What comes later isn't waited for: the projector needs never be at rest.
    """
    async with aclosing(_statuses(variables, ["projector"], clock)) as seen:
        async for statuses in seen:
            if (status := statuses["projector"]) is not None and _holds(status["read_model"], moment):
                return


def _holds(read_model: Mapping[str, Any], moment: float) -> bool:
    complete = min(read_model["as_of"].values(), default=0.0)
    return read_model["generation"] is not None and complete >= moment


async def _statuses(
    variables: Mapping[str, str], stages: Sequence[str], clock: Clock
) -> AsyncGenerator[Mapping[str, Any], None]:
    """Their status pages, again and again. Raises NotDrainedError where nothing moves for STANDSTILL_SECONDS: a slow
    machine takes its time, a broken stage doesn't move."""
    most, moved = -1.0, clock()
    async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False) as client:
        while clock() - moved <= STANDSTILL_SECONDS:
            answers = await asyncio.gather(*(_status(client, variables, stage) for stage in stages))
            statuses = dict(zip(stages, answers, strict=True))
            if (done := work_done(statuses)) > most:
                most, moved = done, clock()
            yield statuses
            await asyncio.sleep(POLL_SECONDS)
    raise NotDrainedError(f"the demo data did not arrive: nothing moved for {STANDSTILL_SECONDS:.0f} s")


async def _status(client: httpx.AsyncClient, variables: Mapping[str, str], stage: str) -> Any:
    try:
        response = await client.get(f"{variables[f'MILLRACE_{stage.upper()}_URL']}/internal/{stage}/status")
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
