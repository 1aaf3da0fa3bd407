"""The command line as a user sees it."""

import importlib.metadata
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from millrace_local import cli, plugins
from millrace_local.home import Home
from millrace_local.up.platform import Options
from millrace_platform.migrations import IncompatibleDatabaseError
from millrace_platform.testing import SERVICE_KEY


def entry_point(name: str, value: str, group: str = plugins.COMMANDS) -> importlib.metadata.EntryPoint:
    return importlib.metadata.EntryPoint(name, value, group)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[importlib.metadata.EntryPoint]:
    """Return the entry points of "other packages"; tests add to it."""
    entry_points: list[importlib.metadata.EntryPoint] = []

    def of_group(group: str) -> list[importlib.metadata.EntryPoint]:
        return [entry_point for entry_point in entry_points if entry_point.group == group]

    monkeypatch.setattr(plugins, "entry_points", of_group)
    return entry_points


greetings = typer.Typer()
done: list[str] = []


@greetings.command()
def hello(name: str) -> None:
    typer.echo(f"hello {name}")


@greetings.command()
def bye() -> None:
    typer.echo("bye")


def single(count: int = 1) -> None:
    typer.echo("x" * count)


async def provision() -> None:
    done.append("provisioned")


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.build(arguments), arguments)
    return result.exit_code, result.output


def test_applications_and_functions_become_commands(installed: list[importlib.metadata.EntryPoint]) -> None:
    installed += [entry_point("greet", f"{__name__}:greetings"), entry_point("single", f"{__name__}:single")]
    assert call("greet", "hello", "you") == (0, "hello you\n")
    assert call("single", "--count", "3") == (0, "xxx\n")
    help_text = call("--help")[1]
    assert all(name in help_text for name in ("up", "init", "greet", "single"))


def test_broken_command_prints_one_line_and_breaks_no_other(installed: list[importlib.metadata.EntryPoint]) -> None:
    installed += [entry_point("lost", "no_such_module:app"), entry_point("single", f"{__name__}:single")]
    assert call("single") == (0, "x\n")
    code, output = call("lost", "anything")
    assert code == 1
    assert output.count("\n") == 1
    assert "lost of an installed package (no_such_module:app) can't be loaded: ModuleNotFoundError" in output


def test_init_runs_the_steps_of_every_package(installed: list[importlib.metadata.EntryPoint]) -> None:
    installed += [entry_point(name, f"{__name__}:provision", plugins.INIT) for name in ("a", "b")]
    done.clear()
    assert call("init")[0] == 0
    assert done == ["provisioned", "provisioned"]


def test_init_runs_only_the_named_steps(installed: list[importlib.metadata.EntryPoint]) -> None:
    installed += [entry_point(name, f"{__name__}:provision", plugins.INIT) for name in ("a", "b")]
    done.clear()
    assert call("init", "b")[0] == 0
    assert done == ["provisioned"]
    assert call("init", "b", "c") == (2, "millrace init: no package named c; choose from a, b\n")
    assert done == ["provisioned"]


async def fail_to_migrate() -> None:
    raise IncompatibleDatabaseError("directory", "0005")


def test_init_reports_a_database_of_another_version_in_one_line(installed: list[importlib.metadata.EntryPoint]) -> None:
    installed.append(entry_point("a", f"{__name__}:fail_to_migrate", plugins.INIT))
    code, output = call("init")
    assert code == 1
    assert output.count("\n") == 1
    assert output.startswith("millrace init: The database 'directory' was made by another version of Millrace")


def millrace(home: Path, *arguments: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MILLRACE_HOME": str(home), **variables}
    command = [sys.executable, "-m", "millrace_local", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_used_port_is_reported_with_a_free_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = millrace(tmp_path, "up", variables={"MILLRACE_PORT": port})
    assert done.returncode == 1
    assert f"can't listen on 127.0.0.1:{port} (Address already in use)" in done.stdout
    assert "MILLRACE_PORT=" in done.stdout
    assert not (tmp_path / "postgres").exists()


def test_invalid_port_is_refused(tmp_path: Path) -> None:
    done = millrace(tmp_path, "up", variables={"MILLRACE_PORT": "http"})
    assert (done.returncode, done.stderr) == (
        2,
        "MILLRACE_PORT is not a port number: 'http'. Use a number from 1 to 65535.\n",
    )


@pytest.mark.parametrize("shift", ["3d", "-3d", "+3", "+3w", "+400d", "tomorrow", ""])
def test_invalid_shift_of_the_clock_is_refused(shift: str) -> None:
    code, output = call("up", f"--clock={shift}")
    assert code == 2
    assert "--clock" in output


@pytest.mark.parametrize(("text", "hours"), [("+0d", 0), ("+90m", 1.5), ("+36h", 36), ("+3d", 72)])
def test_shift_of_the_clock_is_given_in_minutes_hours_or_days(
    text: str, hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Options] = []

    def run(options: Options) -> int:
        started.append(options)
        return 0

    monkeypatch.setattr(cli, "run", run)
    assert call("up", "--clock", text)[0] == 0
    assert started[0].clock_ahead == timedelta(hours=hours)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the names of all commands without subcommands."""
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield path
    for name, each in (subcommands or {}).items():
        yield from leaves(each, (*path, name))


LEAVES = sorted(leaves(typer.main.get_command(cli.build(()))))


def test_every_command_that_needs_a_platform_says_that_none_runs() -> None:
    refused = [path for path in LEAVES if path not in {("up",), ("demo",), ("watch-emulator",), ("certificates",)}]
    assert {("feeds", "lag"), ("calendars", "demo"), ("audit", "verify"), ("mails",), ("init",)} <= set(refused)
    for path in refused:
        assert CliRunner().invoke(cli.build(path, "No platform."), path).output == "No platform.\n", path
        assert CliRunner().invoke(cli.build(path, "No platform."), [*path, "--all", "x"]).exit_code == 2, path


def test_refusing_leaves_the_commands_of_plugins_alone() -> None:
    assert CliRunner().invoke(cli.build(["feeds"], "No platform."), ["feeds", "lag"]).output == "No platform.\n"
    (feeds,) = (plugin.load() for plugin in plugins.plugins(plugins.COMMANDS) if plugin.name == "feeds")
    assert "No such option" in CliRunner().invoke(feeds, ["lag", "--nonsense"]).output


def test_every_command_shows_its_help_without_a_platform() -> None:
    for path in LEAVES:
        result = CliRunner().invoke(cli.build(path), [*path, "--help"])
        assert (result.exit_code, "Usage:" in result.output) == (0, True), path


@pytest.mark.parametrize("arguments", [("feeds", "lag"), ("accounts", "grant", "--role", "admin")])
def test_home_without_platform_is_named_in_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run_process(*arguments, environment={"MILLRACE_HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert str(tmp_path) in line and "millrace up" in line


def test_killed_platform_does_not_count_as_running(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.locked(timeout=1):
        home.write_variables({"MILLRACE_REDIS_URL": "redis://127.0.0.1:1/0"})
        assert not home.is_abandoned()
    assert home.is_abandoned()


@pytest.mark.parametrize(
    ("variable", "value", "word"),
    [
        ("MILLRACE_REDIS_URL", "redis://127.0.0.1:1/0", "reached"),
        ("MILLRACE_PROJECTOR_SCAN_SEGMENTS", "no", "whole number"),
    ],
)
def test_unusable_settings_are_one_line(tmp_path: Path, variable: str, value: str, word: str) -> None:
    environment = {"MILLRACE_HOME": str(tmp_path), "PATH": os.environ["PATH"], variable: value}
    environment["MILLRACE_SCHEDULING_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    environment["MILLRACE_SCHEDULING_PATIENTS_KEYS"] = SERVICE_KEY
    command = ("calendars", "demo") if word == "reached" else ("verify",)
    done = run_process(*command, environment=environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert word in done.stderr


def run_process(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a `millrace` command with only these variables."""
    command = [sys.executable, "-m", "millrace_local", *arguments]
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
