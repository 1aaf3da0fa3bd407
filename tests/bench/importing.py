"""How fast an NPPES file comes into the directory."""

import tempfile
import time
from pathlib import Path

from millrace_directory.importing.figures import Figures
from millrace_directory.importing.loading import NppesImport, import_nppes
from millrace_directory.importing.session import fast_ids
from millrace_directory.migrate import migrate
from millrace_feeds.clock import SystemClock
from millrace_reference.demo.files import NPPES_FILE, write_demo

SEED = 1


class _Unseen:
    def reading(self, done: int) -> None:
        pass

    def begin(self, line: int) -> None:
        pass

    def importing(self, position: int, figures: Figures) -> None:
        pass


async def import_rate(dsn: str, rows: int) -> dict[str, float]:
    """Import about `rows` rows of made-up data into the empty database at `dsn`, then the same file again.

    Gives rows, seconds and rows/s of the first time (with the parser's start), events told, and rows/s of the second.
    """
    await migrate(dsn)
    with tempfile.TemporaryDirectory() as directory:
        # One organization comes with some five individuals.
        write_demo(Path(directory), providers=max(1, rows * 5 // 6), seed=SEED, progress=lambda _: None)
        order = NppesImport(dsn, Path(directory) / NPPES_FILE, None, None, SystemClock(), fast_ids())
        first, seconds = await _timed(order)
        second, again = await _timed(order)
    if second.events:
        raise AssertionError(f"the second import told of changes: {second.events}")
    return {
        "rows": first.rows,
        "seconds": seconds,
        "rows_per_s": first.rows / seconds,
        "events": first.events.total(),
        "again_rows_per_s": second.rows / again,
    }


async def _timed(order: NppesImport) -> tuple[Figures, float]:
    began = time.perf_counter()
    figures = await import_nppes(order, _Unseen())
    return figures, time.perf_counter() - began
