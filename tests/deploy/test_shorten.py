"""What images lose of shared objects, and that they work without it."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.platform import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="images are Linux's, and so is what they load")

EXTENSION = "uvloop.loop"
LOADED = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.ExtensionFileLoader("uvloop.loop", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("uvloop.loop", loader))
loader.exec_module(module)
async def answer():
    return 42
loop = module.Loop()
print(loop.run_until_complete(answer()))
loop.close()
"""


def run(*arguments: str) -> str:
    command: Sequence[str] = (sys.executable, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shorten(directory: Path) -> None:
    run(str(REPOSITORY / "services" / "shorten.py"), str(directory))


@pytest.fixture
def extension(tmp_path: Path) -> Path:
    """A copy of an extension module that comes with its debugging information."""
    found = find_spec(EXTENSION)
    assert found is not None
    assert found.origin is not None
    (tmp_path / "package").mkdir()
    return Path(shutil.copy(found.origin, tmp_path / "package"))


def test_an_extension_is_much_smaller_and_works(extension: Path, tmp_path: Path) -> None:
    before = extension.stat().st_size
    shorten(tmp_path)
    assert extension.stat().st_size < before / 4
    assert run("-c", LOADED, str(extension)) == "42\n"


def test_nothing_is_left_for_a_second_time(extension: Path, tmp_path: Path) -> None:
    shorten(tmp_path)
    once = extension.read_bytes()
    shorten(tmp_path)
    assert extension.read_bytes() == once


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"/* GNU ld script */\nGROUP ( libc.so.6 )\n", b"\x7fELF\x01\x01" + bytes(100)]
)
def test_what_is_no_such_file_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(content)
    shorten(tmp_path)
    assert path.read_bytes() == content
