"""Demo data are loaded once, or never."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from millrace_local.containers import demo
from millrace_local.home import Home
from millrace_local.up.supervisor import CommandError


def generate(directory: Path, areas: int) -> None:
    for area in ("01-of-02-new-york", "02-of-02-los-angeles")[:areas]:
        (directory / area).mkdir(parents=True)


class Commands:
    """Records commands; the command `broken` fails."""

    def __init__(self, broken: str = "") -> None:
        self.run: list[str] = []
        self.broken = broken

    async def __call__(self, *arguments: str) -> None:
        self.run.append(" ".join(arguments[:2]))
        if arguments[0] == self.broken:
            raise CommandError(arguments[0])
        if arguments[0] == "demo":
            generate(Path(arguments[-1]), 1 if "--parts" in arguments else 2)


AREA = ["import nppes", "import qhp", "calendars demo"]
GENERATED = "demo --providers"
LOADED = [GENERATED, *AREA, GENERATED, *AREA]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    async def at_once(*_: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("millrace_local.containers.demo.until_drained", at_once)
    monkeypatch.setattr("millrace_local.containers.demo.until_served", at_once)
    return Home(tmp_path)


async def load(home: Home, providers: int, commands: Commands) -> list[str]:
    variables: Mapping[str, str] = {}
    await demo.load(home, providers, variables, commands)
    return commands.run


async def test_demo_data_are_loaded_once(home: Home) -> None:
    assert await load(home, 5, Commands()) == LOADED
    assert await load(home, 5, Commands()) == []


async def test_interrupted_load_is_repeated(home: Home) -> None:
    with pytest.raises(CommandError):
        await load(home, 5, Commands(broken="calendars"))
    assert await load(home, 5, Commands()) == LOADED


async def test_declined_demo_data_are_never_loaded(home: Home) -> None:
    assert await load(home, 0, Commands()) == []
    assert await load(home, 5, Commands()) == []
