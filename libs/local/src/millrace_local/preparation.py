"""What packages make before their first use, by entry points (`millrace.init`): streams, tables, schemas, keys."""

import inspect
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import cast

from millrace_local.plugins import INIT, load, plugins

Step = Callable[[], Awaitable[None]]


class UnknownStepError(ValueError):
    """A name that no installed package registered; the text says which there are."""


def registered() -> Collection[str]:
    """The packages that have anything to make."""
    return [entry_point.name for entry_point in plugins(INIT)]


def steps(names: Collection[str]) -> Sequence[Step]:
    """Those of these packages. Raises UnknownStepError, BrokenPluginError, TypeError."""
    found = {entry_point.name: entry_point for entry_point in plugins(INIT)}
    for name in names:
        if name not in found:
            raise UnknownStepError(f"nothing here is named {name}: there are {', '.join(found)}")
    return [_step(name, load(found[name])) for name in names]


async def run(chosen: Sequence[Step]) -> None:
    """One after the other: Alembic keeps the migration that runs in module globals."""
    for step in chosen:
        await step()


def _step(name: str, step: object) -> Step:
    if not inspect.iscoroutinefunction(step):
        raise TypeError(f"{INIT} {name} is not an asynchronous function")
    return cast(Step, step)
