"""The progress bar of an import."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from millrace_directory.importing.figures import Figures


class ProgressBar:
    """Shows how an import goes on, where the console is a terminal; elsewhere it prints nothing."""

    def __init__(self, console: Console, size: int) -> None:
        self._console = console
        self._size = size
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("Recognizing the file", total=size, rows="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def reading(self, done: int) -> None:
        self._bar.advance(self._task, done)

    def begin(self, line: int) -> None:
        if line:
            self._console.print(f"Going on behind line {line:,}, where the import of this file was interrupted.")
        self._bar.reset(self._task, description="Importing", total=self._size, rows="")

    def importing(self, position: int, figures: Figures) -> None:
        self._bar.update(self._task, completed=position, rows=f"{figures.rows:,} rows")
