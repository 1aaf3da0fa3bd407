"""The command `millrace calendars`, which creates demo calendars."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from millrace_platform.database import open_database
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.demo.loader import load_demo
from millrace_scheduling.settings import SOURCE, SchedulingSettings

STATEMENT_TIMEOUT = 60.0

app = typer.Typer(no_args_is_help=True, help="Calendars of provider-locations.")


@app.callback()
def calendars() -> None:
    """Calendars of provider-locations."""


@app.command()
def demo(
    places: Annotated[int, typer.Option(min=0, help="Number of provider-locations that get a calendar.")] = 2500,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal calendars on the same day.")] = 1,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for provider-locations to arrive.")] = 60.0,
) -> None:
    """Create random calendars and bookings for provider-locations that have no calendar."""
    count = asyncio.run(_load(places, seed, wait))
    typer.echo(f"Created {count:,} calendars.")


async def _load(limit: int, seed: int, wait: float) -> int:
    settings = SchedulingSettings()
    console, clock = Console(stderr=True), settings.clock()
    async with open_database(
        settings.scheduling_database_url, name="millrace-calendars", pool_size=1, seconds=STATEMENT_TIMEOUT
    ) as database:
        units = UnitsOfWork(database, Envelopes(SOURCE, clock, Uuid7()))
        with console.status("Creating calendars") as status:
            return await load_demo(
                units, limit=limit, seed=seed, wait=wait, on_progress=lambda n: status.update(f"{n:,} calendars")
            )
