"""Demo data are loaded part by part, and an interrupted load continues."""

from pathlib import Path

import pytest

from millrace_local.up.demo import Demo
from millrace_local.up.supervisor import CommandError

NAMES = ("01-of-03-new-york", "02-of-03-los-angeles", "03-of-03-chicago")


class Commands:
    """Records commands by their first words, and the parts that they load; `broken` fails."""

    def __init__(self) -> None:
        self.run: list[str] = []
        self.broken = ""

    async def __call__(self, *arguments: str) -> None:
        part = next((name for name in NAMES for word in arguments if name in word), "")
        self.run.append(" ".join((*arguments[:2], part)).strip())
        if self.broken and self.broken in self.run[-1]:
            raise CommandError(self.run[-1])
        if arguments[0] == "demo":
            generate(Path(arguments[-1]), 1 if "--parts" in arguments else len(NAMES))


def generate(directory: Path, parts: int) -> None:
    for name in NAMES[:parts]:
        (directory / name).mkdir(parents=True)


def names_in(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def demo(tmp_path: Path, commands: Commands) -> Demo:
    demo = Demo(900, tmp_path / "demo", tmp_path / "demo.pending", commands)
    demo.request()
    return demo


def show(_done: float, _text: str) -> None:
    """Show nothing."""


async def load_first(demo: Demo) -> None:
    await demo.load(await demo.make_first(), show)
    await demo.make_others()


async def test_first_part_is_loaded_before_the_others_are_generated(demo: Demo, commands: Commands) -> None:
    assert demo.needs_first_part
    await load_first(demo)
    assert commands.run == [
        "demo --providers",
        "import nppes 01-of-03-new-york",
        "import qhp 01-of-03-new-york",
        "calendars demo 01-of-03-new-york",
        "demo --providers",
    ]
    assert [part.name for part in demo.remaining()] == ["los angeles", "chicago"]
    assert not demo.needs_first_part


async def test_interrupted_load_continues_with_the_same_part(demo: Demo, commands: Commands) -> None:
    await load_first(demo)
    await demo.load(demo.remaining()[0], show)
    commands.broken = "import qhp 03"
    with pytest.raises(CommandError):
        await demo.load(demo.remaining()[0], show)
    assert demo.is_pending
    assert [part.name for part in demo.remaining()] == ["chicago"]
    await demo.make_others()
    assert [part.name for part in demo.remaining()] == ["chicago"]


async def test_half_generated_files_are_generated_again(demo: Demo, commands: Commands) -> None:
    generate(demo.directory.with_suffix(".new"), 2)
    assert demo.needs_first_part
    await load_first(demo)
    assert [part.number for part in demo.remaining()] == [2, 3]


async def test_loaded_demo_leaves_no_files(demo: Demo, tmp_path: Path) -> None:
    await load_first(demo)
    for part in demo.remaining():
        await demo.load(part, show)
    demo.done()
    assert not demo.is_pending
    assert names_in(tmp_path) == []


async def test_progress_grows_from_part_to_part(demo: Demo) -> None:
    shown: list[tuple[float, str]] = []
    await load_first(demo)
    for part in demo.remaining():
        await demo.load(part, lambda done, text: shown.append((round(done, 2), text)))
    assert shown[0] == (0.33, "los angeles: providers")
    assert shown[-1] == (0.89, "chicago: calendars")
    assert shown == sorted(shown, key=lambda each: each[0])
