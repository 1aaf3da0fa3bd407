"""Provisioning steps of packages by entry points (`millrace.init`): streams, tables, schemas, keys."""

import inspect
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import cast

from millrace_local.plugins import INIT, load, plugins

Step = Callable[[], Awaitable[None]]


class ProvisioningError(Exception):
    """A step failed for a reason that only the user can remedy; the text states both."""


class UnknownStepError(ValueError):
    """No installed package registered this name; the text lists the registered ones."""


def registered() -> Collection[str]:
    """Return the packages with a provisioning step."""
    return [entry_point.name for entry_point in plugins(INIT)]


def steps(names: Collection[str]) -> Sequence[Step]:
    """Load the steps of these packages. Raise UnknownStepError, BrokenPluginError or TypeError."""
    found = {entry_point.name: entry_point for entry_point in plugins(INIT)}
    for name in names:
        if name not in found:
            raise UnknownStepError(f"no package named {name}; choose from {', '.join(found)}")
    return [_step(name, load(found[name])) for name in names]


async def run(chosen: Sequence[Step]) -> None:
    """Run the steps one after the other, as Alembic keeps the running migration in module globals.

    Raise `ProvisioningError` for a database of another version of Millrace.
    """
    try:
        for step in chosen:
            await step()
    except Exception as error:
        # Imported late: it loads SQLAlchemy, which no other command needs.
        from millrace_platform.migrations import IncompatibleDatabaseError  # noqa: PLC0415

        if isinstance(error, IncompatibleDatabaseError):
            raise ProvisioningError(str(error)) from error
        raise


def _step(name: str, step: object) -> Step:
    if not inspect.iscoroutinefunction(step):
        raise TypeError(f"{INIT} {name} is not an asynchronous function")
    return cast(Step, step)
