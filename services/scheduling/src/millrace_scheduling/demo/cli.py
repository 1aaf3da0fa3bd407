"""`millrace calendars`."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from millrace_feeds.clock import SystemClock
from millrace_platform.database import open_database
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.composition import SOURCE
from millrace_scheduling.demo.loading import load
from millrace_scheduling.settings import SchedulingSettings

STATEMENT_SECONDS = 60.0

app = typer.Typer(no_args_is_help=True, help="Calendars of provider-locations.")


@app.callback()
def calendars() -> None:
    """Calendars of provider-locations."""


@app.command()
def demo(
    places: Annotated[int, typer.Option(min=0, help="Provider-locations that get a calendar.")] = 2500,
    seed: Annotated[int, typer.Option(help="The same seed makes the same calendars on the same day.")] = 1,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for provider-locations to arrive.")] = 60.0,
) -> None:
    """Make up calendars and bookings for provider-locations that have none."""
    made = asyncio.run(_demo(places, seed, wait))
    typer.echo(f"{made:,} calendars")


async def _demo(places: int, seed: int, patience: float) -> int:
    settings = SchedulingSettings()
    console, clock = Console(stderr=True), SystemClock()
    async with open_database(
        settings.scheduling_database_url, name="millrace-calendars", pool_size=1, seconds=STATEMENT_SECONDS
    ) as database:
        units = UnitsOfWork(database, Envelopes(SOURCE, clock, Uuid7(clock)))
        with console.status("making up calendars") as status:
            return await load(
                units,
                wanted=places,
                seed=seed,
                patience=patience,
                report=lambda made: status.update(f"{made:,} calendars"),
            )
