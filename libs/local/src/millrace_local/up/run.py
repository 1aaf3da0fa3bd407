"""`millrace up`: lock, listener, signals, and shutdown."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio import FIRST_COMPLETED
from collections.abc import Iterator

from millrace_local.home import HomeInUseError
from millrace_local.ports import LOOPBACK, free_port
from millrace_local.routes import SERVICES
from millrace_local.servers.ministack import InstallationError
from millrace_local.servers.postgres import InitialisationError
from millrace_local.up.child import StartError
from millrace_local.up.output import Output
from millrace_local.up.platform import Options, Platform
from millrace_local.up.progress import NotDrainedError
from millrace_local.up.supervisor import CommandError, Supervisor

BACKLOG = 1024
EARLIER_PLATFORM_SECONDS = 45.0
NAMES = ("postgres", "valkey", "ministack", "init", "demo", "import", "calendars", *SERVICES, "edge")
EXPECTED_ERRORS = (StartError, CommandError, NotDrainedError, InitialisationError, InstallationError)
"""Errors that end a start with one line; any other error is a bug and shows its traceback."""


class PortTakenError(RuntimeError):
    """The edge's port is in use; the message says how to choose another."""


def run(options: Options) -> int:
    """Run the platform until a stop signal. Return the exit code: 0 after a stop, 1 if it could not start."""
    interactive = sys.stdout.isatty()
    output = Output(sys.stdout, NAMES, colour=interactive and "NO_COLOR" not in os.environ, interactive=interactive)
    try:
        with options.home.locked(EARLIER_PLATFORM_SECONDS) as lock, _listener(options.port) as listener:
            return asyncio.run(_supervise(options, output, listener, lock))
    except (HomeInUseError, PortTakenError) as error:
        output.say(f"millrace up: {error}")
        return 1
    finally:
        output.close()


@contextlib.contextmanager
def _listener(port: int) -> Iterator[socket.socket]:
    """Open the edge's listener in this process, so that it outlives restarts of the edge. Raise PortTakenError."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen(BACKLOG)
        except OSError as error:
            raise PortTakenError(_port_advice(port, error)) from error
        yield listener


def _port_advice(port: int, error: OSError) -> str:
    return (
        f"can't listen on {LOOPBACK}:{port} ({error.strerror}). "
        f"Use another port: MILLRACE_PORT={free_port()} millrace up"
    )


async def _supervise(options: Options, output: Output, listener: socket.socket, lock: int) -> int:
    loop = asyncio.get_running_loop()
    supervisor = Supervisor(output, clock=loop.time, descriptors=(lock,))
    platform = Platform(options, supervisor, output, listener, loop.time)
    stopping = asyncio.Event()

    def on_signal() -> None:
        if stopping.is_set():
            output.say("killing everything")
            supervisor.kill()
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    try:
        return await _until_stopped(platform, supervisor, output, stopping)
    finally:
        await supervisor.stop()
        platform.record_exits()
        output.say("stopped")


async def _until_stopped(platform: Platform, supervisor: Supervisor, output: Output, stopping: asyncio.Event) -> int:
    working = asyncio.create_task(_bring_up_and_complete(platform))
    failing = asyncio.create_task(supervisor.failed())
    stop_requested = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({working, failing, stop_requested}, return_when=FIRST_COMPLETED)
        if working.done() and working.exception() is None:
            await asyncio.wait({failing, stop_requested}, return_when=FIRST_COMPLETED)
        if stop_requested.done():
            output.say("stopping")
            return 0
        _report(failing if failing.done() else working, output)
        return 1
    finally:
        for task in (working, failing, stop_requested):
            task.cancel()
        await asyncio.gather(working, failing, stop_requested, return_exceptions=True)


async def _bring_up_and_complete(platform: Platform) -> None:
    await platform.bring_up()
    await platform.complete()


def _report(failed: asyncio.Task[None], output: Output) -> None:
    """Report in one line why the start failed. Raise the error if it is unexpected."""
    error = failed.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, EXPECTED_ERRORS):
        failed.result()
    output.say(f"millrace up: {error}")
