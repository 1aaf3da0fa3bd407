"""Whether everything that was written has arrived at its readers."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from millrace_local.up.child import Clock

STAGES = ("directory", "refinery", "projector")
# Longer than a record can be on its way between two stages without either of them counting it.
SETTLED_SECONDS = 1.5
POLL_SECONDS = 0.25
ASK_SECONDS = 5.0

WORK = {"backlog", "pending", "in_flight", "lag_ms"}
DONE = {"published", "handled"}

Figures = tuple[float | None, ...]


class NotDrainedError(RuntimeError):
    """The feeds have not come to rest; the text says for how long nothing moved."""


def figures_at_rest(statuses: Mapping[str, Any]) -> Figures | None:
    """What the stages have done so far, or None while one of them has work or can't be asked.

    `statuses` are the status pages by stage: a stage has work while any `backlog` or `pending` (rows of an outbox),
    `in_flight` (records) or `lag_ms` in it isn't 0, or a consumer doesn't know its lag yet.
    """
    if any(statuses.get(stage) is None for stage in STAGES):
        return None
    values = [value for stage in STAGES for value in _values(statuses[stage], WORK)]
    if any(value != 0 for value in values):
        return None
    consumers = [list(_values(statuses[stage], {"lag_ms"})) for stage in ("refinery", "projector")]
    if not all(consumers):
        return None
    return tuple(_done(statuses))


def work_done(statuses: Mapping[str, Any]) -> float:
    """How much the stages have done so far, all together; it falls when one can't be asked or begins anew."""
    return sum(value or 0.0 for value in _done(statuses))


def _done(statuses: Mapping[str, Any]) -> Iterator[float | None]:
    return (value for stage in STAGES for value in _values(statuses[stage], DONE))


async def until_drained(variables: Mapping[str, str], clock: Clock, patience: float) -> None:
    """Wait until all stages are at rest and stay so for a while. Raises NotDrainedError where nothing moves for
    `patience` seconds: a slow machine takes its time, a broken stage doesn't move."""
    async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False) as client:
        rest: Figures | None = None
        most = -1.0
        since = moved = clock()
        while rest is None or clock() - since < SETTLED_SECONDS:
            if clock() - moved > patience:
                raise NotDrainedError(f"the demo data did not arrive in the search: nothing moved for {patience:.0f} s")
            answers = await asyncio.gather(*(_status(client, variables, stage) for stage in STAGES))
            statuses = dict(zip(STAGES, answers, strict=True))
            if (figures := figures_at_rest(statuses)) != rest:
                rest, since = figures, clock()
            if (done := work_done(statuses)) > most:
                most, moved = done, clock()
            await asyncio.sleep(POLL_SECONDS)


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
