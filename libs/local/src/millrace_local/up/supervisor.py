"""Starts child processes in layers and stops them in reverse order."""

import asyncio
import contextlib
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial

from millrace_local.process import ProcessSpec
from millrace_local.up.child import OUTPUT_SECONDS, Child, Clock, RestoreHook, end, ending, nothing_to_restore, spawn
from millrace_local.up.lifecycle import RestartPolicy
from millrace_local.up.output import Output
from millrace_local.up.programs import ForkServer

COMMAND_STOP_SECONDS = 10.0
HELD_LINES = 200


class CommandError(RuntimeError):
    """A command exited with another code than 0; the text names the command and the code."""


class Supervisor:
    """Runs child processes in layers: each call of `start` adds a layer; `stop` stops the layers in reverse order."""

    def __init__(
        self, output: Output, *, clock: Clock, policy: RestartPolicy | None = None, descriptors: Sequence[int] = ()
    ) -> None:
        self._output = output
        self._clock = clock
        self._policy = policy or RestartPolicy()
        self._descriptors = descriptors
        self.fork_server = ForkServer()
        self._layers: list[list[Child]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(
        self, *specs: ProcessSpec, restore: Mapping[str, RestoreHook] | None = None, descriptors: Sequence[int] = ()
    ) -> list[Child]:
        """Start a layer of processes concurrently; the caller waits for their `ready`.

        `restore` are functions by process name, called whenever that process is ready again after an exit.
        """
        children = [
            Child(
                spec,
                self._output,
                clock=self._clock,
                policy=self._policy,
                descriptors=(*self._descriptors, *descriptors),
                restore=(restore or {}).get(spec.name, nothing_to_restore),
                fork_server=self.fork_server,
            )
            for spec in specs
        ]
        self._layers.append(children)
        for child in children:
            task = asyncio.create_task(child.run(), name=child.spec.name)
            self._tasks.add(task)
            task.add_done_callback(self._child_ended)
        return children

    async def failed(self) -> None:
        """Wait until a child fails to start; raise its StartError."""
        await asyncio.shield(self._failure)

    async def command(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], *, quiet: bool = False
    ) -> None:
        """Run a command and show its output, or, if `quiet`, the end of its output if it fails.

        Raise CommandError if it fails. Cancellation stops the command.
        """
        spec = ProcessSpec(name, tuple(arguments), never_ready, environment, stop_signal=signal.SIGTERM)
        child_process = await spawn(spec, self._descriptors, self.fork_server)
        process = child_process.process
        held = deque[str](maxlen=HELD_LINES)
        show = held.append if quiet else partial(self._output.line, name)
        showing = asyncio.create_task(child_process.read_lines(show))
        try:
            code = await process.wait()
            await asyncio.wait({showing}, timeout=OUTPUT_SECONDS)
        finally:
            showing.cancel()
            if process.returncode is None:
                await end(process, signal.SIGTERM, COMMAND_STOP_SECONDS)
        if code != 0:
            for line in held:
                self._output.line(name, line)
            raise CommandError(f"{name} {ending(code)}")

    async def stop(self) -> None:
        """Stop all children, the last layer first."""
        await self.fork_server.close()
        while self._layers:
            await asyncio.gather(*(child.stop() for child in self._layers[-1]))
            self._layers.pop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._failure.done():
            self._failure.cancel()

    def kill(self) -> None:
        """Kill all children at once."""
        for child in (child for layer in self._layers for child in layer):
            child.kill()

    def _child_ended(self, task: asyncio.Task[None]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            error = task.exception()
            if error is not None and not self._failure.done():
                self._failure.set_exception(error)


async def never_ready() -> bool:
    """Return False: the probe of a command, which is over when it exits."""
    return False


async def all_ready(children: Sequence[Child]) -> None:
    """Wait until all these processes are ready."""
    await asyncio.gather(*(child.ready.wait() for child in children))
