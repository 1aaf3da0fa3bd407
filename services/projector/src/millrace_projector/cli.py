"""The commands `millrace verify` and `millrace rebuild`."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from millrace_contracts.envelope import ContractError
from millrace_platform.validation import field_errors
from millrace_projector.settings import ProjectorSettings
from millrace_projector.stores import open_stores
from millrace_projector.verification import Findings
from millrace_projector.verify import UNAVAILABLE_ERRORS
from millrace_projector.verify import verify as run_verify
from millrace_readmodel.audit import DifferenceKind
from millrace_readmodel.bulk import RepeatedCommandError
from millrace_readmodel.rebuild import LockLostError, Progress, Rebuild, RebuildResult, RebuildRunningError

EXIT_DIFFERENT: Final = 1
EXIT_UNUSABLE: Final = 2
T = TypeVar("T")


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to repeat in while there are differences.")] = 0.0,
    limit: Annotated[int, typer.Option(min=0, help="How many differences to print.")] = 50,
) -> None:
    """Compare directory, source of truth and read model. Exit with 1 if they differ, 2 if one is unavailable."""
    findings = _run(run_verify(_settings(), wait=wait, limit=limit))
    if as_json:
        typer.echo(json.dumps(_as_json(findings)))
    else:
        _print(findings)
    raise typer.Exit(0 if findings.is_clean else EXIT_DIFFERENT)


def rebuild(
    segments: Annotated[int, typer.Option(min=1, max=64, help="Segments of the truth to read in parallel.")] = 1,
) -> None:
    """Build a new read model from the source of truth while searches continue. Exit with 2 on failure."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting")

        def report(progress: Progress) -> None:
            bar.update(task, description=f"{progress.step}: {progress.cards:,} cards of {progress.items:,} items")

        result = _run(_rebuild(_settings(), segments, report))
    loaded = result.loaded
    typer.echo(
        f"generation {result.generation}: {loaded.cards:,} cards, {loaded.partitions:,} partitions, "
        f"{loaded.words:,} name words, {loaded.plan_sets:,} plan sets, {loaded.plans:,} plans from "
        f"{result.items:,} items in {result.seconds:.1f} s; {result.caught_up:,} changed during the rebuild"
    )


async def _rebuild(settings: ProjectorSettings, segments: int, report: Any) -> RebuildResult:
    async with open_stores(settings, name="millrace-rebuild") as stores:
        rebuild = Rebuild(stores.redis, stores.truth, stores.writer, report=report, segments=segments, now=stores.now)
        return await rebuild.run()


def _settings() -> ProjectorSettings:
    try:
        return ProjectorSettings()
    except ValidationError as error:
        first = field_errors(error.errors(include_input=False, include_url=False))[0]
        _fail(f"{first['field']}: {first['detail']} {first['remedy']}")


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except (*UNAVAILABLE_ERRORS, ContractError, LockLostError, RebuildRunningError, RepeatedCommandError) as error:
        _fail(f"{type(error).__name__}: {error}")


def _fail(reason: str) -> NoReturn:
    typer.echo(" ".join(reason.split()), err=True)
    raise typer.Exit(EXIT_UNUSABLE)


def _as_json(findings: Findings) -> dict[str, Any]:
    return {
        "clean": findings.is_clean,
        "compared": dict(findings.compared),
        "differences": [
            {"store": store, "kind": kind.value, "count": count} for (store, kind), count in findings.counts.items()
        ],
        "examples": [
            {"store": each.store, "kind": each.kind.value, "subject": each.subject, "detail": each.detail}
            for each in findings.examples
        ],
    }


def _print(findings: Findings) -> None:
    console = Console()
    table = Table("store", "compared", *(kind.value for kind in DifferenceKind))
    for store in dict.fromkeys([*findings.compared, *(store for store, _ in findings.counts)]):
        counts = (f"{findings.counts[store, kind]:,}" for kind in DifferenceKind)
        table.add_row(store, f"{findings.compared[store]:,}", *counts)
    console.print(table)
    for each in findings.examples:
        console.print(f"{each.store}: {each.kind.value}: {each.subject} {each.detail}", highlight=False, markup=False)
    omitted = findings.counts.total() - len(findings.examples)
    if omitted:
        console.print(f"… and {omitted:,} more")
    console.print("clean" if findings.is_clean else "directory, truth and read model differ")
