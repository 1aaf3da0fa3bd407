"""Statistics of an import, stored with its progress and printed at its end."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table

INDIVIDUALS, ORGANIZATIONS, DEACTIVATIONS, PLANS = "individuals", "organizations", "deactivations", "insurance plans"
SECONDARY_LOCATIONS, OTHER_NAMES, FORMER_NAMES = "secondary locations", "other names", "former and other names: ignored"

MAX_LISTED = 1_000_000
"""Maximum number of rejected rows in the rejects file (about 100 MB); all are counted."""
_COUNTS = ("used", "rejected", "warnings", "events")


@dataclass(slots=True)
class ImportStats:
    """Counts of an import: used rows by kind, rejected rows by reason, warnings by text, events by `entity action`.

    `rejects` is the file that lists the rejected rows.
    """

    used: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    rejects: Path | None = None

    def add(self, other: Self) -> None:
        self.used += other.used
        self.rejected += other.rejected
        self.warnings += other.warnings
        self.events += other.events

    @property
    def rows(self) -> int:
        return self.used.total() + self.rejected.total()

    def as_json(self) -> dict[str, dict[str, int]]:
        return {name: dict(getattr(self, name)) for name in _COUNTS}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        stats = cls()
        for name in _COUNTS:
            setattr(stats, name, Counter(stored.get(name, {})))
        return stats

    def print_summary(self, console: Console, *, seconds: float) -> None:
        """Print the counts as a table, the number of rows per second, and the path of the rejects file."""
        table = Table(title=None, show_header=True, header_style="bold")
        table.add_column("What")
        table.add_column("Rows", justify="right")
        all_counts = {"used": self.used, "rejected": self.rejected, "warning": self.warnings, "event": self.events}
        for title, counts in all_counts.items():
            if title != "warning" or counts:
                table.add_row(f"[bold]{title}", f"[bold]{counts.total():,}")
            for name, count in counts.most_common():
                table.add_row(f"  {name}", f"{count:,}")
        console.print(table)
        rate = f", {self.rows / seconds:,.0f} rows/s" if seconds > 0 else ""
        console.print(f"{self.rows:,} rows in {seconds:,.1f} s{rate}")
        if self.rejects is not None and self.rejects.exists():
            listed = "Rejects are" if self.rejected.total() <= MAX_LISTED else f"The first {MAX_LISTED:,} rejects are"
            console.print(f"{listed} listed in {self.rejects}", markup=False, soft_wrap=True)
