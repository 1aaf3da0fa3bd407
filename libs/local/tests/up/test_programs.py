"""Programs that begin as copies of the fork server."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import psutil
import pytest

from millrace_local.process import ProcessSpec
from millrace_local.up.child import ChildProcess, spawn
from millrace_local.up.programs import ForkServer

from .conftest import SECONDS, Stage, until

pytestmark = pytest.mark.skipif(not ForkServer.is_supported(), reason="the system has no subreapers")

REPORT = """
import json, os, signal, sys
found = {
    "arguments": sys.argv[1:], "name": os.environ.get("NAME"), "parent": os.getppid(), "group": os.getpgid(0),
    "copied": "millrace_platform.application" in sys.modules, "lock": os.read(int(os.environ["LOCK"]), 9).decode(),
}
print(json.dumps(found), flush=True)
if "wait" in sys.argv:
    signal.pause()
sys.exit(7)
"""


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ForkServer]:
    (tmp_path / "report.py").write_text(REPORT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NAME", "of the parent")
    server = ForkServer()
    await server.open()
    yield server
    await server.close()


async def never() -> bool:
    return False


async def start(server: ForkServer, *arguments: str, environment: Mapping[str, str] | None = None) -> ChildProcess:
    reading, writing = os.pipe()
    os.write(writing, b"inherited")
    os.close(writing)
    command = (sys.executable, "-m", "report", *arguments)
    spec = ProcessSpec("report", command, never, {"LOCK": str(reading), **(environment or {})})
    try:
        return await spawn(spec, [reading], server)
    finally:
        os.close(reading)


async def shown(child: ChildProcess, stage: Stage) -> list[str]:
    await asyncio.wait_for(child.show("report", stage.output), SECONDS)
    return [line.partition(" │ ")[2] for line in stage.shown()]


async def test_copy_has_its_own_arguments_environment_and_descriptors(server: ForkServer, stage: Stage) -> None:
    child = await start(server, "one", environment={"NAME": "of the program"})
    (line,) = await shown(child, stage)
    assert json.loads(line) == {
        "arguments": ["one"],
        "name": "of the program",
        "parent": os.getpid(),
        "group": child.process.pid,
        "copied": True,
        "lock": "inherited",
    }
    assert await asyncio.wait_for(child.process.wait(), SECONDS) == 7
    with pytest.raises(ProcessLookupError):
        child.process.send_signal(signal.SIGTERM)


async def test_copy_outlives_the_server_and_has_its_own_title(server: ForkServer, stage: Stage) -> None:
    child = await start(server, "wait")
    await server.close()
    assert psutil.Process(child.process.pid).cmdline()[0] == f"{sys.executable} -m report wait"
    child.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(child.process.wait(), SECONDS) == -signal.SIGTERM
    await shown(child, stage)


async def test_program_starts_without_the_server_once_that_is_gone(server: ForkServer, stage: Stage) -> None:
    (process,) = (each for each in psutil.Process().children() if "forkserver" in " ".join(each.cmdline()))
    process.kill()
    child = await start(server)
    (line,) = await shown(child, stage)
    assert json.loads(line)["copied"] is False
    assert await asyncio.wait_for(child.process.wait(), SECONDS) == 7


async def test_orphans_are_adopted_only_while_a_copy_starts(server: ForkServer, stage: Stage) -> None:
    child = await start(server)
    await shown(child, stage)
    await child.process.wait()
    orphan = await asyncio.create_subprocess_exec(
        *("sh", "-c", "sleep 60 & echo $!"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert orphan.stdout is not None
    number = int(await orphan.stdout.readline())
    await orphan.wait()
    await until(lambda: psutil.Process(number).ppid() != orphan.pid)
    assert psutil.Process(number).ppid() != os.getpid()
    os.kill(number, signal.SIGKILL)
