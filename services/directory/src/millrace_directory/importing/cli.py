"""`millrace import`: files into the directory."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from millrace_directory.importing.bar import ProgressBar
from millrace_directory.importing.errors import ImportFault
from millrace_directory.importing.figures import Figures
from millrace_directory.importing.loading import NppesImport, Progress, import_nppes
from millrace_directory.importing.qhp_loading import QhpImport, import_qhp
from millrace_directory.importing.session import fast_ids
from millrace_directory.settings import DirectorySettings
from millrace_feeds.clock import SystemClock
from millrace_platform.telemetry import telemetry

app = typer.Typer(help="Import files into the directory.", no_args_is_help=True)

Work = Callable[[Progress], Coroutine[Any, Any, Figures]]
Rejects = Annotated[Path | None, typer.Option("--rejects", help="Write rejected rows there: line, NPI, reason (CSV).")]


@app.command("nppes")
def nppes(
    file: Annotated[Path, typer.Argument(help="The full or a weekly file of CMS: .csv, .csv.gz, or the .zip.")],
    rejects: Rejects = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Read so many rows at most.")] = None,
) -> None:
    """Import an NPPES dissemination file; an interrupted import of the same file goes on where it was."""
    settings = DirectorySettings()
    order = NppesImport(settings.directory_database_url, file, rejects, limit, SystemClock(), fast_ids())
    _run(settings, file, rejects, lambda progress: import_nppes(order, progress))


@app.command("qhp")
def qhp(
    providers: Annotated[Path, typer.Argument(help="A providers.json of the QHP provider directory.")],
    plans: Annotated[Path, typer.Argument(help="The plans.json that belongs to it.")],
    rejects: Rejects = None,
) -> None:
    """Import insurance plans and who accepts them, in the format of the CMS QHP provider directory."""
    settings = DirectorySettings()
    order = QhpImport(settings.directory_database_url, providers, plans, rejects, SystemClock(), fast_ids())
    _run(settings, providers, rejects, lambda progress: import_qhp(order, progress))


def _run(settings: DirectorySettings, file: Path, rejects: Path | None, work: Work) -> None:
    console = Console(stderr=True)
    began = time.monotonic()
    try:
        size = file.stat().st_size if file.exists() else 0
        with telemetry(settings, service="millrace-import"), ProgressBar(console, size) as progress:
            figures = asyncio.run(work(progress))
    except ImportFault as fault:
        console.print(str(fault), markup=False, soft_wrap=True)
        raise typer.Exit(fault.exit_code) from fault
    except KeyboardInterrupt as interrupt:
        console.print("Interrupted: the same command goes on where this one was.")
        raise typer.Exit(130) from interrupt
    figures.show(Console(), seconds=time.monotonic() - began, rejects=None if rejects is None else str(rejects))
