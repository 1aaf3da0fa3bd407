"""Speed of an NPPES import into the directory."""

import tempfile
import time
from pathlib import Path

from millrace_directory.bulk_import.session import fast_ids
from millrace_directory.bulk_import.stats import ImportStats
from millrace_directory.migrate import migrate
from millrace_directory.nppes.loader import NppesImport, import_nppes
from millrace_feeds.clock import SystemClock
from millrace_reference.demo.files import NPPES_FILE, write_demo

SEED = 1


class _NoProgress:
    def show_identifying(self, byte_count: int) -> None:
        pass

    def show_start(self, line: int) -> None:
        pass

    def show_position(self, position: int, stats: ImportStats) -> None:
        pass


async def import_rate(dsn: str, rows: int) -> dict[str, float]:
    """Import about `rows` generated rows into the empty database at `dsn`, then the same file again.

    Return rows, seconds and rows/s of the first import (with the parser's start), its events, and rows/s of the second.
    """
    await migrate(dsn)
    with tempfile.TemporaryDirectory() as directory:
        # There is one organization for about five individuals.
        write_demo(Path(directory), providers=max(1, rows * 5 // 6), seed=SEED, progress=lambda _: None)
        order = NppesImport(dsn, [Path(directory) / NPPES_FILE], None, None, SystemClock(), fast_ids())
        first, seconds = await _timed(order)
        second, again = await _timed(order)
    if second.events:
        raise AssertionError(f"the second import published changes: {second.events}")
    return {
        "rows": first.rows,
        "seconds": seconds,
        "rows_per_s": first.rows / seconds,
        "events": first.events.total(),
        "again_rows_per_s": second.rows / again,
    }


async def _timed(order: NppesImport) -> tuple[ImportStats, float]:
    began = time.perf_counter()
    stats = await import_nppes(order, _NoProgress())
    return stats, time.perf_counter() - began
