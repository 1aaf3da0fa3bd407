"""Dummy children: small Python programs under a real supervisor."""

import asyncio
import io
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from millrace_feeds.backoff import Backoff
from millrace_local.process import ProcessSpec
from millrace_local.up.child import Child
from millrace_local.up.lifecycle import RestartPolicy
from millrace_local.up.output import Output
from millrace_local.up.supervisor import Supervisor

SECONDS = 10.0
# Touches a file when it is up, and exits on a signal.
OBEDIENT = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("leaving", flush=True), sys.exit(0)))
pathlib.Path(sys.argv[1]).touch()
print("hello", flush=True)
while True: signal.pause()
"""
DEAF = OBEDIENT.replace('lambda *_: (print("leaving", flush=True), sys.exit(0))', "signal.SIG_IGN")


@dataclass
class Stage:
    """A supervisor, its output, and a directory for the dummies' files."""

    directory: Path
    stream: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.output = Output(self.stream, [], colour=False)
        policy = RestartPolicy(Backoff(first=0.01, ceiling=0.02, jitter=0))
        self.supervisor = Supervisor(self.output, clock=asyncio.get_running_loop().time, policy=policy)

    def up_file(self, name: str) -> Path:
        return self.directory / name

    def dummy(self, name: str, program: str = OBEDIENT, stop_seconds: float = SECONDS) -> ProcessSpec:
        file = self.up_file(name)

        async def ready() -> bool:
            return file.exists()

        command = (sys.executable, "-I", "-S", "-c", program, str(file))
        return ProcessSpec(name, command, ready, stop_signal=signal.SIGTERM, stop_seconds=stop_seconds)

    def shown(self) -> list[str]:
        """Return the output so far and close it."""
        self.output.close()
        return self.stream.getvalue().splitlines()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    await asyncio.wait_for(stage.supervisor.stop(), SECONDS)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.005)


def process_id(child: Child) -> int:
    assert child.process_id is not None
    return child.process_id
