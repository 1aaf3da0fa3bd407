"""`millrace import`: import files into the directory."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from millrace_directory.bulk_import.errors import ImportFailedError
from millrace_directory.bulk_import.progress import ImportProgress, ProgressBar
from millrace_directory.bulk_import.session import fast_ids
from millrace_directory.bulk_import.stats import ImportStats
from millrace_directory.nppes.loader import NppesImport, import_nppes
from millrace_directory.qhp.issuers import read_issuers
from millrace_directory.qhp.loader import QhpImport, import_qhp
from millrace_directory.settings import DirectorySettings
from millrace_feeds.clock import SystemClock
from millrace_platform.telemetry import telemetry

app = typer.Typer(help="Import files into the directory.", no_args_is_help=True)

Import = Callable[[ImportProgress], Coroutine[Any, Any, ImportStats]]
Rejects = Annotated[
    Path | None,
    typer.Option(
        "--rejects",
        help="List rejected rows in this CSV, by default in FILE.rejects.csv in the working directory.",
        show_default=False,
    ),
]
NOTHING_USED = 3
"""Exit code if no row of the files could be used."""


@app.command("nppes")
def nppes(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="The full or a weekly publication of CMS: the .zip, or npidata_pfile, pl_pfile and othername_pfile as "
            ".csv or .csv.gz in any order."
        ),
    ],
    rejects: Rejects = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most this number of rows of the main file.")] = None,
) -> None:
    """Import an NPPES publication; an interrupted import of the same files continues where it stopped."""
    settings = DirectorySettings()
    parameters = NppesImport(settings.directory_database_url, files, rejects, limit, SystemClock(), fast_ids())
    _run(settings, files, lambda progress: import_nppes(parameters, progress))


@app.command("qhp")
def qhp(
    providers: Annotated[Path, typer.Argument(help="A providers.json of the QHP provider directory.")],
    plans: Annotated[Path, typer.Argument(help="The plans.json that belongs to it.")],
    rejects: Rejects = None,
    issuers: Annotated[
        Path | None, typer.Option("--issuers", help="A CSV of CMS plan attributes, which name the plans' issuers.")
    ] = None,
) -> None:
    """Import insurance plans and their providers, in the format of the CMS QHP provider directory."""
    settings = DirectorySettings()

    async def run_import(progress: ImportProgress) -> ImportStats:
        names = {} if issuers is None else await asyncio.to_thread(read_issuers, issuers)
        url = settings.directory_database_url
        return await import_qhp(QhpImport(url, providers, plans, rejects, SystemClock(), fast_ids(), names), progress)

    _run(settings, [providers], run_import)


def _run(settings: DirectorySettings, files: Sequence[Path], run_import: Import) -> None:
    console = Console(stderr=True)
    began = time.monotonic()
    try:
        size = sum(file.stat().st_size for file in files if file.exists())
        with telemetry(settings, service="millrace-import"), ProgressBar(console, size) as progress:
            stats = asyncio.run(run_import(progress))
    except ImportFailedError as error:
        if error.stats is not None and error.stats.rows:
            error.stats.print_summary(Console(), seconds=time.monotonic() - began)
        console.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as interrupt:
        console.print("Import interrupted. Run the same command again to continue.")
        raise typer.Exit(130) from interrupt
    stats.print_summary(Console(), seconds=time.monotonic() - began)
    if not stats.used.total():
        console.print("Nothing was imported: no row could be used.")
        raise typer.Exit(NOTHING_USED)
