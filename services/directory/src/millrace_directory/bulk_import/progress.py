"""The progress of an import, and its progress bar."""

from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from millrace_directory.bulk_import.stats import ImportStats


class ImportProgress(Protocol):
    """Shows the progress of an import."""

    def show_identifying(self, byte_count: int) -> None:
        """Show that `byte_count` more bytes of the file were read to identify it by its digest."""

    def show_start(self, line: int) -> None:
        """Show that the import starts after this line, which is 0 unless an earlier import was interrupted."""

    def show_position(self, position: int, stats: ImportStats) -> None:
        """Show the statistics, and that the file is imported up to `position`, in bytes."""


class ProgressBar(Progress):
    """An `ImportProgress` on a terminal; prints nothing if the console isn't one. `size` is the file's, in bytes."""

    def __init__(self, console: Console, size: int) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._size = size
        self._task = self.add_task("Identifying the file", total=size, rows="")

    def show_identifying(self, byte_count: int) -> None:
        self.advance(self._task, byte_count)

    def show_start(self, line: int) -> None:
        if line:
            self.console.print(f"Continuing after line {line:,}, where the import of this file was interrupted.")
        self.reset(self._task, description="Importing", total=self._size, rows="")

    def show_position(self, position: int, stats: ImportStats) -> None:
        self.update(self._task, completed=position, rows=f"{stats.rows:,} rows")
