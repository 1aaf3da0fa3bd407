"""Starting processes as an unprivileged user, below directories that only root may enter."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from millrace_local.process import UNPRIVILEGED_USER, is_root, launch_command

REPORT = """#!/bin/sh
echo "$(id -u) $(id -g) $(id -G)"
grep -E 'CapEff|CapPrm' /proc/self/status
"""


def report(tmp_path: Path, *, unprivileged: bool) -> list[str]:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = closed / "report"
    program.write_text(REPORT)
    program.chmod(0o700)
    command = launch_command([str(program)], signal.SIGTERM, unprivileged=unprivileged)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.splitlines()


def test_process_runs_as_the_current_user(tmp_path: Path) -> None:
    assert report(tmp_path, unprivileged=False)[0].split()[0] == str(os.geteuid())


def test_unprivileged_process_can_enter_closed_directories(tmp_path: Path) -> None:
    who, *capabilities = report(tmp_path, unprivileged=True)
    expected = UNPRIVILEGED_USER if is_root() else os.geteuid()
    assert who.split()[0] == str(expected)
    if is_root():
        assert who == f"{expected} {expected} {expected}"
        assert all(int(line.split()[1], 16) & ~0b110 == 0 for line in capabilities)


def test_unprivileged_process_passes_access_checks(tmp_path: Path) -> None:
    """Check access(2), which uses the real user; initdb relies on it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = str(shutil.copy("/bin/echo", closed))
    question = "import os, sys; print(os.access(sys.argv[1], os.R_OK | os.X_OK))"
    asking = [sys.executable, "-I", "-S", "-c", question, program]
    command = launch_command(asking, signal.SIGTERM, unprivileged=True)
    assert subprocess.check_output(command, text=True, timeout=30) == "True\n"


def test_command_gets_its_arguments_unchanged() -> None:
    words = ["a b", "", "--", "$HOME"]
    program = "import json, sys; print(json.dumps(sys.argv[1:]))"
    command = launch_command([sys.executable, "-c", program, *words], signal.SIGTERM, unprivileged=False)
    assert json.loads(subprocess.check_output(command, timeout=30)) == words


def test_launcher_imports_only_the_standard_library(tmp_path: Path) -> None:
    copy = shutil.copy(Path(launch_command([], signal.SIGTERM)[3]), tmp_path)
    command = [sys.executable, "-I", "-S", copy, str(os.getpid()), "15", "-", "--", "/bin/echo", "up"]
    assert subprocess.check_output(command, text=True, timeout=30) == "up\n"
