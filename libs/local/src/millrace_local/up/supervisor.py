"""Several children together: started as asked, stopped in the reverse order, none left behind."""

import asyncio
import contextlib
import signal
from collections.abc import Mapping, Sequence

from millrace_local.process import ProcessSpec, launch_command, launch_environment
from millrace_local.up.child import OUTPUT_SECONDS, Child, Clock, Restored, end, ending, nothing_to_restore, spawn
from millrace_local.up.lifecycle import RestartPolicy
from millrace_local.up.output import Output

COMMAND_STOP_SECONDS = 10.0


class CommandError(RuntimeError):
    """A command of ours ended with another exit code than 0; the text says which."""


class Supervisor:
    """Starts children in layers; each call of `start` opens the next layer, and `stop` goes through them backwards."""

    def __init__(
        self, output: Output, *, clock: Clock, policy: RestartPolicy | None = None, descriptors: Sequence[int] = ()
    ) -> None:
        self._output = output
        self._clock = clock
        self._policy = policy or RestartPolicy()
        self._descriptors = descriptors
        self._layers: list[list[Child]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(
        self,
        *specs: ProcessSpec,
        restored: Mapping[str, Restored] | None = None,
        descriptors: Sequence[int] = (),
    ) -> list[Child]:
        """Start a layer of processes at the same time; wait for each one's `ready` yourself.

        `restored` names by process what must be done whenever that one is ready again after it had ended.
        """
        children = [
            Child(
                spec,
                self._output,
                clock=self._clock,
                policy=self._policy,
                descriptors=(*self._descriptors, *descriptors),
                restored=(restored or {}).get(spec.name, nothing_to_restore),
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
        """Wait until a child can't be started; raises its StartError."""
        await asyncio.shield(self._failure)

    async def command(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run a command to its end, showing what it says. Raises CommandError. Cancelled, it stops the command."""
        command = launch_command(arguments, signal.SIGTERM)
        spawned = await spawn(command, launch_environment(environment), self._descriptors)
        process = spawned.process
        showing = asyncio.create_task(spawned.show(name, self._output))
        try:
            code = await process.wait()
            await asyncio.wait({showing}, timeout=OUTPUT_SECONDS)
        finally:
            showing.cancel()
            if process.returncode is None:
                await end(process, signal.SIGTERM, COMMAND_STOP_SECONDS)
        if code != 0:
            raise CommandError(f"{name} {ending(code)}")

    async def stop(self) -> None:
        """Stop all children, the last layer first."""
        while self._layers:
            await asyncio.gather(*(child.stop() for child in self._layers[-1]))
            self._layers.pop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._failure.done():
            self._failure.cancel()

    def kill(self) -> None:
        """Kill all children at once, for the impatient."""
        for child in (child for layer in self._layers for child in layer):
            child.kill()

    def _child_ended(self, task: asyncio.Task[None]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            error = task.exception()
            if error is not None and not self._failure.done():
                self._failure.set_exception(error)


async def all_ready(children: Sequence[Child]) -> None:
    """Wait until every one is ready."""
    await asyncio.gather(*(child.ready.wait() for child in children))
