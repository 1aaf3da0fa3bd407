"""The demo data of a new home: made up, then loaded through the same importers as real files."""

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

SEED = 1

Command = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Demo:
    """`providers` made-up providers in `directory`, until they are loaded. `command` runs a `millrace` command."""

    OWNER: ClassVar = "directory"
    """The service that takes the files in."""

    providers: int
    directory: Path
    pending: Path
    command: Command

    def want(self) -> None:
        """Remember that this new home shall have demo data, if any, until `done`."""
        if self.providers > 0:
            self.pending.touch()

    @property
    def wanted(self) -> bool:
        """Whether the demo data still have to be loaded, also after an interrupted start."""
        return self.providers > 0 and self.pending.exists()

    async def make(self) -> None:
        """Write the files. Needs none of the servers."""
        await self.command(
            "demo", "--providers", str(self.providers), "--seed", str(SEED), "--out", str(self.directory)
        )

    async def load(self) -> None:
        """Import the files. Needs what `millrace init` makes. May be repeated."""
        await self.command("import", "nppes", str(self.directory / "nppes.csv"))
        await self.command(
            "import", "qhp", str(self.directory / "qhp-providers.json"), str(self.directory / "qhp-plans.json")
        )

    async def fill_calendars(self) -> None:
        """Give half of the providers a calendar. Needs the provider-locations to have come through the feeds."""
        await self.command("calendars", "demo", "--places", str(self.providers // 2), "--seed", str(SEED))

    def done(self) -> None:
        """Forget the files: the data are in."""
        self.pending.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)
