"""The `millrace` command. Other packages register subcommands by entry points, which are loaded when called."""

import asyncio
import copy
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import EntryPoint
from typing import Annotated, NoReturn, cast

import typer
from pydantic import ValidationError
from rich.console import Console

from millrace_local import provisioning
from millrace_local.home import Home
from millrace_local.plugins import COMMANDS, BrokenPluginError, load, plugins
from millrace_local.provisioning import ProvisioningError, UnknownStepError
from millrace_local.up.platform import Options
from millrace_local.up.run import run
from millrace_local.up.supervisor import CommandError
from millrace_platform.errors import Problem
from millrace_platform.settings import setting_problems

DEFAULT_PORT = 8080
DEMO_PROVIDERS = 5000
MAX_SHIFT = timedelta(days=365)
EXIT_UNUSABLE = 2
_WITHOUT_PLATFORM = frozenset({("up",), ("certificates",), ("demo",), ("watch-emulator",)})
"""The commands that need no platform, or say themselves what they need."""
_ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}
_OTHER_VARIABLES = ("MILLRACE_HOME", "MILLRACE_PORT", "MILLRACE_LOG_")
"""Beginnings of the variables that don't lead to a platform."""

errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def main() -> None:
    """Run the command line with the variables of the running platform as defaults.

    Exits with 2 and one line if no platform runs, a setting is invalid, or a store can't be reached.
    """
    arguments = sys.argv[1:]
    home = Home.from_environment(os.environ)
    if arguments[:1] != ["up"]:  # `up` sets the variables itself
        home.load_variables(os.environ)
    is_usable = _is_configured(home, os.environ) or "--help" in arguments
    try:
        build(arguments, None if is_usable else _no_platform(home))()
    except ValidationError as error:
        _exit_unusable(setting_problems(error)[0])
    except Problem as error:
        _exit_unusable(f"{error} Is the platform running?")
    except OSError as error:  # includes TimeoutError
        reason = " ".join(str(error).split()) or type(error).__name__
        _exit_unusable(f"A store or service can't be reached ({reason}). Is the platform running?")


def build(arguments: Sequence[str], refusal: str | None = None) -> typer.Typer:
    """Build the command line with the plugin that `arguments` name, or with all plugins for the help.

    Commands that need a platform print `refusal` instead, if it is given, and exit with 2.
    """
    app = typer.Typer(
        no_args_is_help=True,
        help="Millrace, an open appointment platform.",
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.command()(up)
    app.command()(init)
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for entry_point in plugins(COMMANDS):
        if called is None or entry_point.name == called:
            _mount(app, entry_point)
    return app if refusal is None else _refusing(app, refusal)


def _is_configured(home: Home, environment: Mapping[str, str]) -> bool:
    """Return whether variables of a platform are set: by the one that runs on this home, or by the user."""
    names = [name for name in environment if name.startswith("MILLRACE_") and not name.startswith(_OTHER_VARIABLES)]
    return bool(names) and not home.is_abandoned()


def _no_platform(home: Home) -> str:
    return f"No platform runs on {home.root}. Start one with `millrace up`, or name another home in MILLRACE_HOME."


def _refusing(app: typer.Typer, refusal: str, path: tuple[str, ...] = ()) -> typer.Typer:
    """Copy a command line; in the copy, commands that need a platform print the refusal and exit with 2.

    A copy, since a plugin's object is shared by everything that imports the plugin.
    """

    def refuse() -> None:
        _exit_unusable(refusal)

    copied = copy.copy(app)
    copied.registered_commands = [copy.copy(command) for command in app.registered_commands]
    copied.registered_groups = [copy.copy(group) for group in app.registered_groups]
    for command in copied.registered_commands:
        command.name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        if (*path, command.name) not in _WITHOUT_PLATFORM:
            command.callback, command.context_settings = refuse, dict(_ANY_ARGUMENTS)
    for group in copied.registered_groups:
        if group.typer_instance is not None:
            group.typer_instance = _refusing(group.typer_instance, refusal, (*path, str(group.name)))
    return copied


def _exit_unusable(text: str) -> NoReturn:
    errors.print(text)
    raise SystemExit(EXIT_UNUSABLE)


def _mount(app: typer.Typer, entry_point: EntryPoint) -> None:
    """Add a plugin's command; a broken plugin is reported when called, and marked in the help."""
    try:
        plugin = load(entry_point)
    except BrokenPluginError as error:
        help_text = f"(broken) {error}"
        app.command(entry_point.name, help=help_text, context_settings=dict(_ANY_ARGUMENTS))(_fail_with(str(error)))
        return
    if isinstance(plugin, typer.Typer):
        app.add_typer(plugin, name=entry_point.name)
    else:
        app.command(entry_point.name)(cast(Callable[..., None], plugin))


def _fail_with(text: str) -> Callable[[], None]:
    def fail() -> None:
        errors.print(text)
        raise typer.Exit(1)

    return fail


def up(
    demo_providers: Annotated[
        int, typer.Option(min=0, help="Generated providers for a new home; 0 leaves it empty.")
    ] = DEMO_PROVIDERS,
    clock: Annotated[
        str, typer.Option(help="Run all services at a later time, e.g. +3d or +36h, to try out what happens then.")
    ] = "+0d",
) -> None:
    """Run the whole platform on this machine until Ctrl-C.

    MILLRACE_HOME (.millrace) is the directory of its state, MILLRACE_PORT (8080) its port on 127.0.0.1.
    """
    home = Home.from_environment(os.environ)
    raise typer.Exit(run(Options(home, _port(), demo_providers, os.environ, _parse_shift(clock))))


def _parse_shift(text: str) -> timedelta:
    """Return the shift of the clocks, e.g. 3 days for `+3d`; raise `typer.BadParameter`."""
    match = re.fullmatch(r"\+(\d{1,4})([mhd])", text, re.ASCII)
    if match is None:
        raise typer.BadParameter("--clock isn't a shift. Give minutes, hours or days, e.g. +90m, +36h or +3d.")
    shift = int(match[1]) * {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}[match[2]]
    if shift > MAX_SHIFT:
        raise typer.BadParameter(f"--clock is too far ahead. Give at most +{MAX_SHIFT.days}d.")
    return shift


def init(names: Annotated[list[str] | None, typer.Argument(help="Packages; default: all.")] = None) -> None:
    """Create the packages' streams, tables, schemas and keys. Existing ones stay as they are."""
    try:
        chosen = provisioning.steps(names or provisioning.registered())
    except UnknownStepError as error:
        errors.print(f"millrace init: {error}")
        raise typer.Exit(2) from None
    except BrokenPluginError as error:
        errors.print(str(error))
        raise typer.Exit(1) from None
    try:
        asyncio.run(provisioning.run(chosen))
    except ProvisioningError as error:
        errors.print(f"millrace init: {error}")
        raise typer.Exit(1) from None


async def run_command(*arguments: str) -> None:
    """Run `millrace ARGUMENTS` as a process of its own, as each command has its own event loop and exit code.

    The process inherits our environment and output. Raise CommandError if it fails.
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "millrace_local", *arguments)
    if (code := await process.wait()) != 0:
        raise CommandError(f"millrace {arguments[0]} ended with {code}")


def _port() -> int:
    text = os.environ.get("MILLRACE_PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        errors.print(f"MILLRACE_PORT is not a port number: {text!r}. Use a number from 1 to 65535.")
        raise typer.Exit(2)
    return int(text)
