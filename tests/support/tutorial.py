"""Run the commands of a tutorial page as a reader types them, and compare their outputs with the page.

A code block without a language belongs to the reader's shell: `$ ` begins a command, lines that continue it follow,
then its output. A block `first-terminal` is the command that runs the platform; each one replaces the one before.

`python -m tests.support.tutorial PAGE...` runs pages one after the other on a new platform and writes the outputs that
differ into them.
"""

import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from millrace_local.ports import free_port
from tests.support.platform import Platform, running_platform

URL = "http://127.0.0.1:8080"
"""The platform's address on the pages."""
SEPARATOR = "\x1e"
COMMAND_SECONDS = 330.0
REPEAT_SECONDS = 20.0
REPEATED = ("curl ", ".venv/bin/millrace mails ")
"""Beginnings of commands that may be repeated until their outputs are as shown."""
BLOCK = re.compile(r"^```(first-terminal)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"\d{8}T\d{6}Z?"), "<time>"),
    (re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \w{3} \d+ at \d+:\d\d [AP]M( [A-Z]{2,4})?"), "<day>"),
    (re.compile(r"\d{4}-\d\d(-\d\d)?"), "<date>"),
    (re.compile(r"(America|Pacific)/\w+"), "<zone>"),
    (re.compile(r"\A[A-Z]{2}\Z"), "<state>"),
    (re.compile(r"[\w-]{40,}"), "<token>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"\d[\d.,]*"), "<number>"),
)
"""Patterns of texts that differ between two runs of the same commands, each with its replacement in a comparison."""
VARYING_MEMBERS = frozenset(
    (
        *("name", "city", "line1", "line2", "zip", "phone", "sex", "rating", "languages", "specialty", "taxonomy"),
        *("new_patients", "openings", "language", "min_rating", "accepted_plan", "next", "text"),
    )
)
"""Members of JSON objects that depend on the demo data: an entry's own facts, and the values of a facet."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a page and the output that the page shows; `is_platform` if it runs in the first terminal."""

    command: str
    output: str
    is_platform: bool = False


def read_steps(page: str) -> list[Step]:
    """Return the steps of a page in order; raise ValueError for a command without an end."""
    steps: list[Step] = []
    for kind, block in BLOCK.findall(page):
        steps.extend([Step(block.strip(), "", is_platform=True)] if kind else _read_block(block))
    return steps


def _read_block(block: str) -> Iterator[Step]:
    command, output = "", list[str]()
    for line in block.splitlines(keepends=True):
        if command and not _is_complete(command):
            command += line
        elif line.startswith("$ "):
            if command:
                yield Step(command.rstrip("\n"), "".join(output))
            command, output = line.removeprefix("$ "), []
        else:
            output.append(line)
    if not _is_complete(command):
        raise ValueError(f"a command without an end: {command}")
    if command:
        yield Step(command.rstrip("\n"), "".join(output))


def _is_complete(command: str) -> bool:
    """Return whether the shell would run the text without waiting for more."""
    checked = subprocess.run(("bash", "-n", "-c", command), capture_output=True, timeout=10, check=False)
    return checked.returncode == 0 and not command.rstrip("\n").endswith("\\")


class Shell:
    """A bash that runs one command after the other and retains its variables and functions."""

    def __init__(self, directory: Path, environment: Mapping[str, str], errors: IO[str]) -> None:
        """Start in `directory`; `errors` is the open file for what commands write to their standard error."""
        self._errors = errors
        self._process = subprocess.Popen(
            ("bash", "-s"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=directory,
            env={**environment, "NO_COLOR": "1", "COLUMNS": "80"},
        )

    def run(self, command: str, seconds: float = COMMAND_SECONDS) -> tuple[str, bool]:
        """Return the output of the command and whether it succeeded.

        Raises AssertionError if the command ends the shell or takes longer than `seconds`.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\nprintf '{SEPARATOR}%s{SEPARATOR}' $?\n".encode())
        self._process.stdin.flush()
        printed = self._read(command, seconds)
        output, status = printed.removesuffix(SEPARATOR).rsplit(SEPARATOR, 1)
        return output, status == "0"

    def _read(self, command: str, seconds: float) -> str:
        assert self._process.stdout is not None
        printed, deadline = b"", time.monotonic() + seconds
        while printed.count(SEPARATOR.encode()) < 2:
            ready, _, _ = select.select([self._process.stdout], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{command}\ndid not end within {seconds:.0f} s: {printed.decode()}"
            chunk = os.read(self._process.stdout.fileno(), 65_536)
            assert chunk, f"{command}\nended the shell: {printed.decode()}\n{self.errors()}"
            printed += chunk
        return printed.decode()

    def errors(self) -> str:
        """Return the end of what the commands wrote to their standard error."""
        self._errors.seek(0)
        return self._errors.read()[-2000:]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def open_shell(directory: Path, environment: Mapping[str, str]) -> Iterator[Shell]:
    """Yield a shell; kill it at the end."""
    with tempfile.TemporaryFile("w+") as errors:
        shell = Shell(directory, environment, errors)
        try:
            yield shell
        finally:
            shell.close()


def run_step(shell: Shell, step: Step, url: str) -> str:
    """Return the output of a step on the platform at `url`; raise AssertionError if it fails.

    A request is repeated for a while until its output is as shown, because changes arrive a moment later.
    """
    deadline = time.monotonic() + REPEAT_SECONDS
    while True:
        output, is_success = shell.run(step.command.replace(URL, url))
        output = output.replace(url, URL).replace("\r", "")
        is_expected = is_success and is_same_output(step.output, output)
        if is_expected or not step.command.startswith(REPEATED) or time.monotonic() > deadline:
            assert is_success, f"{step.command}\nfailed: {output}\n{shell.errors()}"
            return output


def is_same_output(shown: str, actual: str) -> bool:
    """Return whether two outputs are equal but for ids, times, tokens, numbers and members that the demo data fill."""
    try:
        return bool(_shape(json.loads(shown)) == _shape(json.loads(actual)))
    except ValueError:
        return _without_varying_parts(shown) == _without_varying_parts(actual)


def _shape(value: Any, member: str = "") -> Any:
    if member in VARYING_MEMBERS:
        return ""
    if isinstance(value, dict):
        return {name: _shape(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [shape for shape, _ in groupby(_shape(each) for each in value)]
    if isinstance(value, str):
        return _without_varying_parts(value)
    return value if isinstance(value, bool) or value is None else 0


def _without_varying_parts(text: str) -> str:
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    # The number of alike lines, e.g. of openings, differs.
    lines = ("".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line, _ in groupby(line for line in lines if line))


@dataclass
class Reader:
    """Follows pages in a directory of its own, with a platform that the pages' `first-terminal` blocks start there."""

    directory: Path
    options: tuple[str, ...] = ()
    """More options of `millrace up`."""
    port: int = field(default_factory=free_port)
    results: list[tuple[Step, str]] = field(default_factory=list)
    """The steps of the reader's shell, with their actual outputs."""

    def follow(self, *pages: str) -> None:
        """Run all commands of the pages, given as texts; raise AssertionError at the first one that fails."""
        (self.directory / ".venv").symlink_to(Path(sys.prefix))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        with ExitStack() as platform, open_shell(self.directory, environment) as shell:
            for step in (step for page in pages for step in read_steps(page)):
                if step.is_platform:
                    platform.close()
                    platform.enter_context(self._run_platform(step.command))
                    continue
                self.results.append((step, run_step(shell, step, f"http://127.0.0.1:{self.port}")))

    def _run_platform(self, command: str) -> AbstractContextManager[Platform]:
        program, _, *options = command.replace("make up", ".venv/bin/millrace up").split()
        assert program == ".venv/bin/millrace", f"not the platform: {command}"
        home = self.directory / ".millrace"
        return running_platform(home, *options, *self.options, port=self.port, with_all_demo_data=False)

    def differences(self) -> list[str]:
        """Return each command whose output differs from the page's, with both."""
        return [
            f"$ {step.command}\nthe page shows:\n{step.output}\nactual output:\n{actual}"
            for step, actual in self.results
            if not is_same_output(step.output, actual)
        ]


def replace_outputs(page: str, outputs: Iterator[str]) -> str:
    """Return the page with these outputs of its commands, in order, where they differ from the shown ones."""

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return match[0]
        steps = ((step, next(outputs)) for step in _read_block(match[2]))
        shown = (
            f"$ {step.command}\n{step.output if is_same_output(step.output, actual) else _ended(actual)}"
            for step, actual in steps
        )
        return f"```\n{''.join(shown)}```"

    return BLOCK.sub(replace, page)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]]
    pages = [path.read_text() for path in paths]
    with tempfile.TemporaryDirectory() as directory:
        reader = Reader(Path(directory))
        reader.follow(*pages)
    outputs = (actual for _, actual in reader.results)
    for path, page in zip(paths, pages, strict=True):
        path.write_text(replace_outputs(page, outputs))


if __name__ == "__main__":
    main()
