"""The commands of a tutorial, run as a reader types them."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

MARK = "\x1e"
"""Separator between the outputs of two commands."""


def commands(page: Path) -> Iterator[str]:
    """Return the commands behind the prompts of a page's code blocks, each with its continuation lines."""
    for block in re.findall(r"^```\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        command = ""
        for line in block.splitlines():
            if not command and not line.startswith("$ "):
                continue  # output
            command += f"\n{line}" if command else line.removeprefix("$ ")
            if is_whole(command):
                yield command
                command = ""
        assert not command, f"{page.name}: a command without an end: {command}"


def is_whole(command: str) -> bool:
    """Return whether the shell would run the text without waiting for more."""
    checked = subprocess.run(("bash", "-n", "-c", command), capture_output=True, text=True, timeout=10, check=False)
    return checked.returncode == 0 and not command.endswith("\\")


def run(typed: list[str], directory: Path, environment: Mapping[str, str], seconds: float) -> list[tuple[str, str]]:
    """Run the commands in one shell that ends at the first failure; return each with its output."""
    script = "set -euo pipefail\n" + "".join(f"{command}\nprintf '{MARK}'\n" for command in typed)
    done = subprocess.run(
        ("bash", "-c", script),
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    printed = done.stdout.split(MARK)
    assert done.returncode == 0, f"{typed[len(printed) - 1]}\n{printed[-1]}\n{done.stderr}"
    return list(zip(typed, printed, strict=False))
