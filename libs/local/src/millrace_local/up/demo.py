"""The demo data of a new home: generated, then loaded area by area through the same importers as real files."""

import shutil
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED = 1
CALENDAR_SHARE = 0.8
WAIT_SECONDS = 900
"""Maximum time for an area's providers to reach the service that creates their calendars."""

Command = Callable[..., Coroutine[None, None, None]]
ShowProgress = Callable[[float, str], None]
"""Shows the finished share of the demo data, from 0 to 1, and what is done next."""


@dataclass(frozen=True, slots=True)
class AreaFiles:
    """The generated files of one metropolitan area, the `number`-th of `count`."""

    directory: Path
    number: int
    count: int

    @property
    def name(self) -> str:
        """The area's name, such as `new york`."""
        return self.directory.name.partition("-")[2].replace("-", " ")


@dataclass(frozen=True, slots=True)
class Demo:
    """Generated data of so many `providers`, in one directory for each metropolitan area below `directory`.

    The file `pending` marks a home whose demo data aren't completely loaded yet. An area's directory is removed once it
    is loaded; loading an area again changes nothing. `command` runs a `millrace` command.
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
        """Return whether demo data still have to be loaded, also after an interrupted load."""
        return self.providers > 0 and self.pending.exists()

    async def make(self) -> None:
        """Generate the files unless they exist; no server needs to run. Raise what the command raises."""
        if self.directory.exists():
            return
        unfinished = self.directory.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        count, seed = str(self.providers), str(SEED)
        await self.command("demo", "--providers", count, "--seed", seed, "--by-area", "--out", str(unfinished))
        unfinished.rename(self.directory)  # the files are either complete or missing

    def remaining(self) -> Sequence[AreaFiles]:
        """Return the areas that aren't loaded yet."""
        found = sorted(each for each in self.directory.glob("[0-9]*-*") if each.is_dir())
        numbers = [int(each.name.partition("-")[0]) for each in found]
        return [AreaFiles(each, number, numbers[-1]) for each, number in zip(found, numbers, strict=True)]

    async def load(self, area: AreaFiles, show: ShowProgress) -> None:
        """Import an area's providers and plans, and give most of them calendars. Raise what the commands raise."""
        files = area.directory
        steps = (
            ("providers", ("import", "nppes", str(files / "nppes.csv"))),
            ("plans", ("import", "qhp", *self._qhp_files(files))),
            ("calendars", ("calendars", "demo", *self._calendar_options(files))),
        )
        for number, (what, arguments) in enumerate(steps):
            show((area.number - 1 + number / len(steps)) / area.count, f"{area.name}: {what}")
            await self.command(*arguments)
        loaded = files.with_name(f".{files.name}")
        files.rename(loaded)  # it isn't found again, even if its removal is interrupted
        shutil.rmtree(loaded)

    def done(self) -> None:
        """Remove the files and the mark, after the data are loaded."""
        self.pending.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _qhp_files(files: Path) -> Sequence[str]:
        names = "qhp-providers.json", "qhp-plans.json"
        return *(str(files / name) for name in names), "--issuers", str(files / "qhp-issuers.csv")

    @staticmethod
    def _calendar_options(files: Path) -> Sequence[str]:
        options = {"--share": CALENDAR_SHARE, "--seed": SEED, "--wait": WAIT_SECONDS, "--nppes": files / "nppes.csv"}
        return [str(word) for option in options.items() for word in option]
