"""The demo data of a new home: generated, then loaded through the same importers as real files."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path

from millrace_local.up.child import Clock
from millrace_local.up.progress import CALENDAR_STAGES, until_drained, until_served

SEED = 1

Command = Callable[..., Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class Demo:
    """Generated data of so many `providers`, in files in `directory`.

    The file `pending` marks a home whose demo data aren't loaded yet. `command` runs a `millrace` command.
    """

    providers: int
    directory: Path
    pending: Path
    command: Command

    def request(self) -> None:
        """Mark a new home as waiting for demo data, unless `providers` is 0; `done` removes the mark."""
        if self.providers > 0:
            self.pending.touch()

    @property
    def is_pending(self) -> bool:
        """Return whether the demo data still have to be loaded, also after an interrupted start."""
        return self.providers > 0 and self.pending.exists()

    async def make(self) -> None:
        """Generate the files; no server needs to run. Raise what the command raises."""
        await self.command(
            "demo", "--providers", str(self.providers), "--seed", str(SEED), "--out", str(self.directory)
        )

    async def load(self) -> None:
        """Import the files into the directory service; may be repeated. Raise what the command raises."""
        await self.command("import", "nppes", str(self.directory / "nppes.csv"))
        await self.command(
            "import", "qhp", str(self.directory / "qhp-providers.json"), str(self.directory / "qhp-plans.json")
        )

    async def add_calendars(self, variables: Mapping[str, str], clock: Clock, wall_clock: Clock) -> None:
        """Wait for the feeds, give half of the providers a calendar, and wait until searches find the providers.

        Raise NotDrainedError, and what the command raises.
        """
        await until_drained(variables, CALENDAR_STAGES, clock)
        moment = wall_clock()
        calendars = self.command("calendars", "demo", "--places", str(self.providers // 2), "--seed", str(SEED))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(until_served(variables, moment, clock))
                group.create_task(calendars)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def done(self) -> None:
        """Remove the files and the mark, after the data are loaded."""
        self.pending.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)
