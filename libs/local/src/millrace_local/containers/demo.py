"""`millrace load-demo`: load demo data into a new platform whose services run already."""

import asyncio
import os
import time
from collections.abc import Mapping
from typing import Annotated

import typer

from millrace_local.cli import DEMO_PROVIDERS, run_command
from millrace_local.home import Home
from millrace_local.up.demo import Command, Demo
from millrace_local.up.progress import CALENDAR_STAGES, NotDrainedError, until_drained, until_served
from millrace_local.up.supervisor import CommandError


def load_demo(
    providers: Annotated[int, typer.Option(min=0, help="Generated providers; 0 leaves the platform empty.")] = (
        DEMO_PROVIDERS
    ),
) -> None:
    """Load generated demo data into a new platform through its importers. Later runs do nothing."""
    try:
        asyncio.run(load(Home.from_environment(os.environ), providers, os.environ, run_command))
    except (CommandError, NotDrainedError) as error:
        typer.echo(f"millrace load-demo: {error}", err=True)
        raise typer.Exit(1) from None


async def load(home: Home, providers: int, variables: Mapping[str, str], run: Command) -> None:
    """Load `providers` generated providers by `run`, a function that runs a `millrace` command.

    Do it once per home, so that real data are never mixed with generated ones; repeat an interrupted load. Raise
    `CommandError`, and `NotDrainedError` if the data don't reach the search.
    """
    if home.demo_decided.exists():
        return
    if providers:
        demo = Demo(providers, home.demo, home.demo_pending, run)
        demo.request()
        if demo.needs_first_part:
            await demo.load(await demo.make_first(), show)
            await demo.make_others()
        for part in demo.remaining():
            await demo.load(part, show)
        clock = asyncio.get_running_loop().time
        await until_drained(variables, CALENDAR_STAGES, clock)
        await until_served(variables, time.time(), clock)
        demo.done()
    home.demo_decided.touch()


def show(done: float, text: str) -> None:
    """Print the progress of the load."""
    typer.echo(f"{done:4.0%}  {text}")
