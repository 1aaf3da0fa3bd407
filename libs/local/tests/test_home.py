"""The home directory of a platform."""

import subprocess
import sys
from pathlib import Path

import pytest

from millrace_local.home import Home, HomeInUseError

HOLD = """
import sys
from pathlib import Path
from millrace_local.home import Home
with Home(Path(sys.argv[1])).locked(0):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_platform_variables_become_defaults(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write_variables({"A": "1=2", "B": "ours"})
    environment = {"B": "mine", "AWS_PROFILE": "production"}
    home.load_variables(environment)
    assert environment == {"A": "1=2", "B": "mine"}
    assert home.variables.stat().st_mode & 0o777 == 0o600


def test_home_without_a_platform_has_no_variables(tmp_path: Path) -> None:
    environment = {"AWS_PROFILE": "production"}
    Home(tmp_path / "missing").load_variables(environment)
    assert environment == {"AWS_PROFILE": "production"}


def test_second_platform_is_refused_with_the_process_id(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdout is not None
    assert first.stdout.readline() == b"locked\n"
    with pytest.raises(HomeInUseError, match=f"process {first.pid}"), Home(tmp_path).locked(0):
        raise AssertionError
    first.communicate(timeout=10)
    with Home(tmp_path).locked(0):
        pass


def test_lock_remains_while_children_of_a_killed_platform_run(tmp_path: Path) -> None:
    child = "import sys; print('up', flush=True); sys.stdin.read()"
    with Home(tmp_path).locked(0) as lock:
        running = subprocess.Popen(
            [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(lock,)
        )
        assert running.stdout is not None
        running.stdout.readline()
    (tmp_path / "up.lock").write_text("")  # the owner has exited
    with pytest.raises(HomeInUseError, match="have not stopped yet"), Home(tmp_path).locked(0.2):
        raise AssertionError
    running.communicate(timeout=10)
