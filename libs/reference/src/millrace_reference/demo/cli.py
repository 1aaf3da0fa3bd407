"""The command `millrace demo`: generates fictitious data to try the platform with."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from millrace_reference.demo.files import write_demo, write_demo_in_parts

MAX_PROVIDERS = 10_000_000


def demo(
    providers: Annotated[int, typer.Option(min=1, max=MAX_PROVIDERS, help="Number of individual providers.")] = 5_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
    in_parts: Annotated[
        bool,
        typer.Option("--in-parts", help="Write a directory of files for each area, two for the first."),
    ] = False,
    parts: Annotated[int | None, typer.Option(min=1, help="With --in-parts, write only the first ones.")] = None,
    out: Annotated[Path, typer.Option(help="Directory for the files; created if it doesn't exist.")] = Path("demo"),
) -> None:
    """Write fictitious providers, practices and insurance plans of a dozen metropolitan areas as files to import."""
    console = Console(stderr=True)
    try:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("Generating providers", total=providers)

            def show(count: int) -> None:
                bar.advance(task, count)

            if in_parts:
                write_demo_in_parts(out, providers=providers, seed=seed, progress=show, parts=parts)
            else:
                write_demo(out, providers=providers, seed=seed, progress=show)
    except OSError as error:
        console.print(f"Can't write to {out}: {error.strerror}. Choose another directory with --out.")
        raise typer.Exit(2) from error
    console.print(f"Wrote {providers:,} providers, seed {seed}, to {out}" if parts is None else f"Wrote to {out}")
