"""`python -m millrace_local.forkserver SOCKET`: start Python programs as copies of this process.

Importing the libraries that all services share takes longer than the rest of a service's start. This process imports
them once; each program begins as its copy (fork). The programs become children of the supervisor, which must be the
subreaper of orphans meanwhile, so the end of this process doesn't concern them.

Each message on the socket is a `Start` as JSON with the descriptors that it names; the response is the process id. The
process exits when the other end of the socket is closed. Linux only.
"""

import fcntl
import gc
import importlib
import json
import os
import runpy
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from setproctitle import getproctitle, setproctitle

from millrace_local.launcher import die_with_parent

PRELOADED = (
    "httpx",
    "millrace_feeds.wiring",
    "millrace_platform.application",
    "millrace_platform.migrations",
    "millrace_platform.persistence",
    "millrace_platform.redis",
    "millrace_platform.serve",
    "millrace_platform.service",
    "millrace_platform.unit_of_work",
    "millrace_local.cli",
    "uvloop",
)
MESSAGE_LIMIT = 1 << 20
DESCRIPTOR_LIMIT = 16
FIRST_FREE = 100
"""Received descriptors are moved to this number and above, before they get the numbers that the program knows."""
PARENT_POLL_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Start:
    """A program to start: `python -m MODULE ARGUMENTS`.

    `parent` is the supervisor's process id; `stop_signal` is sent to the program when the supervisor dies.
    `descriptors` are the numbers that the passed descriptors after the first get; the first is for both outputs.
    """

    module: str
    arguments: list[str]
    environment: dict[str, str]
    parent: int
    stop_signal: int
    descriptors: list[int]

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> "Start":
        return cls(**json.loads(message))


def main() -> None:
    """Import the shared libraries and start a program for each message; in a copy, run the program."""
    gc.disable()
    # httpx would import rich for its own unused command line.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    for module in PRELOADED:
        importlib.import_module(module)
    getproctitle()  # finds the memory of the title, for which the environment must be as it was at the start
    gc.freeze()  # the collector would write to the pages that the copies share
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        start = _serve(requests)
    if start is not None:
        gc.enable()
        runpy.run_module(start.module, run_name="__main__", alter_sys=True)


def _serve(requests: socket.socket) -> Start | None:
    """Start a program for each message. Return None at the end of the requests, and in a copy its program."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, MESSAGE_LIMIT, DESCRIPTOR_LIMIT)
        if not message:
            return None
        start = Start.decode(message)
        process = _fork()
        if process is None:
            requests.close()  # its number may be one of the program's
            _become(start, descriptors)
            return start
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(str(process).encode())


def _fork() -> int | None:
    """Fork twice, so that the copy's parent exits and the supervisor adopts it.

    Return the copy's process id, and None in the copy once it is adopted.
    """
    reading, writing = os.pipe()
    if (between := os.fork()) == 0:
        between = os.getpid()
        if copy := os.fork():
            os.write(writing, str(copy).encode())
            os._exit(0)
        os.close(reading)
        os.close(writing)
        while os.getppid() == between:
            time.sleep(PARENT_POLL_SECONDS)
        return None
    os.close(writing)
    os.waitpid(between, 0)
    with os.fdopen(reading, "rb") as pipe:
        return int(pipe.read())


def _become(start: Start, descriptors: Sequence[int]) -> None:
    """Give this process the program's descriptors, environment, arguments and title."""
    die_with_parent(start.parent, start.stop_signal)
    os.setsid()
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    output, *others = moved
    for number in (1, 2):
        os.dup2(output, number)
    for descriptor, number in zip(others, start.descriptors, strict=True):
        os.dup2(descriptor, number)
    for descriptor in moved:
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(start.environment)
    sys.argv = [start.module, *start.arguments]
    setproctitle(" ".join((sys.executable, "-m", *sys.argv)))


if __name__ == "__main__":
    main()
