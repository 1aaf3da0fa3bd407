"""The command `millrace calendars`, which creates demo calendars."""

import asyncio
import csv
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from millrace_platform.database import open_database
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.demo.loader import Selection, load_demo
from millrace_scheduling.settings import SOURCE, SchedulingSettings

STATEMENT_TIMEOUT = 60.0
PERSON = "1"
"""Entity type code of a person in NPPES files."""

app = typer.Typer(no_args_is_help=True, help="Calendars of provider-locations.")


@app.callback()
def calendars() -> None:
    """Calendars of provider-locations."""


@app.command()
def demo(
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of providers that get a calendar.")] = 0.8,
    nppes: Annotated[Path | None, typer.Option(help="Only for the providers of this NPPES file.")] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal calendars on the same day.")] = 1,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for provider-locations to arrive.")] = 60.0,
) -> None:
    """Create random calendars and bookings for provider-locations that have no calendar."""
    try:
        npis = None if nppes is None else read_npis(nppes)
    except OSError as error:
        typer.echo(f"Can't read {nppes}: {error.strerror}.", err=True)
        raise typer.Exit(2) from error
    count = asyncio.run(_load(Selection(share, npis), seed, wait))
    typer.echo(f"Created {count:,} calendars.")


def read_npis(nppes: Path) -> frozenset[str]:
    """Return the NPIs of the persons in an NPPES file. Raise OSError."""
    with nppes.open(encoding="utf-8", newline="") as file:
        return frozenset(row["NPI"] for row in csv.DictReader(file) if row["Entity Type Code"] == PERSON)


async def _load(selection: Selection, seed: int, wait: float) -> int:
    settings = SchedulingSettings()
    console, clock = Console(stderr=True), settings.clock()
    async with open_database(
        settings.scheduling_database_url, name="millrace-calendars", pool_size=1, seconds=STATEMENT_TIMEOUT
    ) as database:
        units = UnitsOfWork(database, Envelopes(SOURCE, clock, Uuid7()))
        with console.status("Creating calendars") as status:
            return await load_demo(
                units, selection, seed=seed, wait=wait, on_progress=lambda n: status.update(f"{n:,} calendars")
            )
