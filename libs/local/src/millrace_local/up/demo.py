"""The demo data of a new home: generated, then loaded part by part through the same importers as real files."""

import shutil
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED = 1
CALENDAR_SHARE = 0.8
WAIT_SECONDS = 900
"""Maximum time for a part's providers to reach the service that creates their calendars."""

Command = Callable[..., Coroutine[None, None, None]]
ShowProgress = Callable[[float, str], None]
"""Shows the finished share of the demo data, from 0 to 1, and what is done next."""


@dataclass(frozen=True, slots=True)
class PartFiles:
    """The generated files of a part of the demo: a metropolitan area or a part of it.

    Their directory is named like `01-of-13-new-york`.
    """

    directory: Path

    @property
    def number(self) -> int:
        """The part's number, from 1."""
        return int(self.directory.name.split("-")[0])

    @property
    def count(self) -> int:
        """The number of all parts."""
        return int(self.directory.name.split("-")[2])

    @property
    def name(self) -> str:
        """The name of the metropolitan area, such as `new york`."""
        return " ".join(self.directory.name.split("-")[3:])


@dataclass(frozen=True, slots=True)
class Demo:
    """Generated data of so many `providers`, loaded one part after the other.

    The file `pending` marks a home whose demo data aren't completely loaded yet. The first part is generated and loaded
    on its own. From then on, `directory` contains the files of the others until they are loaded. Loading a part again
    changes nothing. `command` runs a `millrace` command.
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

    @property
    def needs_first_part(self) -> bool:
        """Return whether even the first part has to be loaded."""
        return self.is_pending and not self.directory.exists()

    async def make_first(self) -> PartFiles:
        """Generate the first part; no server needs to run. Raise what the command raises."""
        (found,) = await self._generate("--parts", "1")
        return found

    async def make_others(self) -> None:
        """Generate the other parts, after the first one is loaded; do nothing if they exist. Raise as `make_first`."""
        if self.directory.exists():
            return
        first, *_ = await self._generate()
        shutil.rmtree(first.directory)
        self._unfinished.rename(self.directory)  # the files are either complete or missing

    def remaining(self) -> Sequence[PartFiles]:
        """Return the parts that are generated but not loaded yet, except the first."""
        return _parts(self.directory)

    @property
    def _unfinished(self) -> Path:
        return self.directory.with_suffix(".new")

    async def _generate(self, *options: str) -> Sequence[PartFiles]:
        shutil.rmtree(self._unfinished, ignore_errors=True)
        numbers = ("--providers", str(self.providers), "--seed", str(SEED))
        await self.command("demo", *numbers, "--in-parts", *options, "--out", str(self._unfinished))
        return _parts(self._unfinished)

    async def load(self, part: PartFiles, show: ShowProgress) -> None:
        """Import a part's providers and plans, and give most of them calendars. Raise what the commands raise."""
        files = part.directory
        steps = (
            ("providers", ("import", "nppes", str(files / "nppes.csv"))),
            ("plans", ("import", "qhp", *self._qhp_files(files))),
            ("calendars", ("calendars", "demo", *self._calendar_options(files))),
        )
        for number, (what, arguments) in enumerate(steps):
            show((part.number - 1 + number / len(steps)) / part.count, f"{part.name}: {what}")
            await self.command(*arguments)
        loaded = files.with_name(f".{files.name}")
        files.rename(loaded)  # it isn't found again, even if its removal is interrupted
        shutil.rmtree(loaded)

    def done(self) -> None:
        """Remove the files and the mark, after the data are loaded."""
        self.pending.unlink(missing_ok=True)
        for directory in (self.directory, self._unfinished):
            shutil.rmtree(directory, ignore_errors=True)

    @staticmethod
    def _qhp_files(files: Path) -> Sequence[str]:
        names = "qhp-providers.json", "qhp-plans.json"
        return *(str(files / name) for name in names), "--issuers", str(files / "qhp-issuers.csv")

    @staticmethod
    def _calendar_options(files: Path) -> Sequence[str]:
        options = {"--share": CALENDAR_SHARE, "--seed": SEED, "--wait": WAIT_SECONDS, "--nppes": files / "nppes.csv"}
        return [str(word) for option in options.items() for word in option]


def _parts(directory: Path) -> Sequence[PartFiles]:
    return [PartFiles(each) for each in sorted(directory.glob("[0-9]*-of-*"))]
