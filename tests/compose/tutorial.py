"""Runs the commands of a documentation page as a reader types them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support import platform

SEPARATOR = "\x1e"
"""Separator between the outputs of two commands."""


def commands(page: Path) -> Iterator[str]:
    """Return the commands behind the prompts of a page's code blocks, each with its continuation lines."""
    for block in re.findall(r"^```\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        command = ""
        for line in block.splitlines():
            if not command and not line.startswith("$ "):
                continue  # output
            command += f"\n{line}" if command else line.removeprefix("$ ")
            if is_complete(command):
                yield command
                command = ""
        assert not command, f"{page.name}: a command without an end: {command}"


def is_complete(command: str) -> bool:
    """Return whether the shell would run the text without waiting for more."""
    checked = platform.run(("bash", "-n", "-c", command), seconds=10)
    return checked.returncode == 0 and not command.endswith("\\")


def run(typed: list[str], directory: Path, environment: Mapping[str, str], seconds: float) -> list[tuple[str, str]]:
    """Run the commands in one shell that ends at the first failure; return each with its output."""
    script = "set -euo pipefail\n" + "".join(f"{command}\nprintf '{SEPARATOR}'\n" for command in typed)
    done = platform.run(("bash", "-c", script), seconds=seconds, environment=environment, cwd=directory)
    printed = done.stdout.split(SEPARATOR)
    assert done.returncode == 0, f"{typed[len(printed) - 1]}\n{printed[-1]}\n{done.stderr}"
    return list(zip(typed, printed, strict=False))
