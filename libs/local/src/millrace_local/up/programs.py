"""Starts Python programs as copies of a fork server, which costs a fraction of the imports, where that works."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from millrace_local.forkserver import MESSAGE_LIMIT, Start
from millrace_local.process import launch_command, launch_environment

PR_SET_CHILD_SUBREAPER = 36
START_SECONDS = 60.0
"""Time for the fork server's imports and a fork on a busy machine; without a response, programs start without it."""
STOP_SECONDS = 5.0


class RunningProcess(Protocol):
    """A child of this process: what we use of `asyncio.subprocess.Process`."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None:
        """The exit code once `wait` returned, negative for a signal; None before."""

    async def wait(self) -> int: ...

    def send_signal(self, signal: int) -> None:
        """Send the signal. Raise ProcessLookupError if the process has exited."""


class AdoptedProcess:
    """A child of this process that another one started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()
        self._descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._reap)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None  # noqa: S101 - set before the event
        return self.returncode

    def send_signal(self, signal: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, signal)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        _, status = os.waitpid(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()


class ForkServer:
    """The fork server's process: `open` starts it, `start` asks it for programs, `close` ends it.

    Where it can't work, or doesn't respond, `start` returns None, and programs are started as usual.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._requests: socket.socket | None = None
        self._turn = asyncio.Lock()

    @staticmethod
    def is_supported() -> bool:
        """Return whether the system has subreapers and process descriptors."""
        return sys.platform == "linux" and hasattr(os, "pidfd_open")

    async def open(self) -> None:
        """Start the fork server, which imports the libraries meanwhile; do nothing where it isn't supported."""
        if not self.is_supported():
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            command = (sys.executable, "-m", "millrace_local.forkserver", str(theirs.fileno()))
            self._process = await asyncio.create_subprocess_exec(
                *launch_command(command, signal.SIGTERM),
                env=launch_environment({}),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        self._requests = ours

    async def start(
        self,
        command: Sequence[str],
        stop_signal: signal.Signals,
        environment: Mapping[str, str],
        output: int,
        descriptors: Sequence[int],
    ) -> AdoptedProcess | None:
        """Start `command` with both outputs to the descriptor `output`; return None if the fork server can't."""
        if self._requests is None or list(command[:2]) != [sys.executable, "-m"]:
            return None
        module, *arguments = command[2:]
        message = Start(module, arguments, dict(environment), os.getpid(), int(stop_signal), list(descriptors))
        async with self._turn:
            try:
                return AdoptedProcess(await asyncio.wait_for(self._ask(message, (output, *descriptors)), START_SECONDS))
            except (OSError, TimeoutError, ValueError):
                await self.close()
                return None
            except asyncio.CancelledError:
                self._kill()  # its response would be taken for that to the next message
                raise

    async def close(self) -> None:
        """End the fork server; the programs that it started run on."""
        self._kill()
        if self._process is not None:
            await self._process.wait()
            self._process = None

    def _kill(self) -> None:
        requests, self._requests = self._requests, None
        if requests is not None and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            # A request that waits for a response gets the end of the stream, and the socket is closed with it.
            with contextlib.suppress(OSError):
                requests.shutdown(socket.SHUT_RDWR)

    async def _ask(self, start: Start, descriptors: Sequence[int]) -> int:
        requests = self._requests
        if requests is None:
            raise ConnectionError("the fork server is closed")
        _adopt_orphans(True)
        try:
            socket.send_fds(requests, [start.encode()], descriptors)
            return int(await asyncio.get_running_loop().sock_recv(requests, MESSAGE_LIMIT))
        finally:
            _adopt_orphans(False)


def _adopt_orphans(adopt: bool) -> None:
    """Set whether this process becomes the parent of descendants whose parent exits. Raise OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
