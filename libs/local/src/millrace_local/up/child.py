"""One supervised process: the thin shell around `lifecycle`."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from millrace_local.process import ProcessSpec
from millrace_local.up.lifecycle import Lifecycle, Phase, RestartPolicy
from millrace_local.up.output import LineSplitter, Output

CHUNK = 65536
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.5  # between two probes
# A grandchild may hold the pipe open for longer than the process lives.
OUTPUT_SECONDS = 1.0

Clock = Callable[[], float]
Restored = Callable[[bool], Awaitable[None]]


class StartError(RuntimeError):
    """A process never became ready; the text says which and how it ended."""


async def spawn(command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]) -> "Spawned":
    """Start `command` in a process group of its own, with both outputs in one pipe."""
    ours, theirs = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=DEVNULL,
            stdout=theirs,
            stderr=STDOUT,
            start_new_session=True,
            pass_fds=tuple(descriptors),
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return Spawned(process, ours)


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process, and our end of its output.

    The pipe isn't asyncio's own: `Process.wait` would wait until that is closed by all who inherited it.
    """

    process: Process
    pipe: int

    async def show(self, name: str, output: Output) -> None:
        """Hand its lines to `output` until all who have the other end are gone. Closes our end; to be run once."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self.pipe, "rb", buffering=0)
        )
        splitter = LineSplitter()
        try:
            while chunk := await reader.read(CHUNK):
                for line in splitter.feed(chunk):
                    output.line(name, line)
            for line in splitter.rest():
                output.line(name, line)
        finally:
            transport.close()


async def end(process: Process, stop_signal: signal.Signals, seconds: float) -> bool:
    """Ask `process` to stop, and kill its whole group when it hasn't after `seconds`. False if it had to be killed."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(stop_signal)
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        kill_group(process)
        await process.wait()
        return False
    kill_group(process)
    return True


def kill_group(process: Process) -> None:
    """Kill the process group that `process` leads, if any of it is alive."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def nothing_to_restore(_clean: bool) -> None:
    """There is nothing to do when it is ready again."""


class Child:
    """Keeps one process running until it is told to stop.

    `exit_code` is that of its last end, negative for a signal. `restored(clean)` runs each time the process is ready
    *again*, before the child counts as ready; `clean` tells whether it had ended with exit code 0.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        output: Output,
        *,
        clock: Clock,
        policy: RestartPolicy,
        descriptors: Sequence[int] = (),
        restored: Restored = nothing_to_restore,
    ) -> None:
        self.spec = spec
        self.life = Lifecycle(Phase.STARTING, clock())
        self.ready = asyncio.Event()
        self._output = output
        self._clock = clock
        self._policy = policy
        self._descriptors = descriptors
        self._restored = restored
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self.exit_code: int | None = None

    @property
    def process_id(self) -> int | None:
        """That of its latest process."""
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """Start it, and start it again whenever it ends, until `stop`. Raises StartError."""
        try:
            while self.life.phase in {Phase.STARTING, Phase.RESTING}:
                await self._run_once()
                await self._rest()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Stop it for good and wait until it is gone, at most `stop_seconds` and a kill."""
        self.life = self.life.stops(self._clock())
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            gone = await end(self._process, self.spec.stop_signal, self.spec.stop_seconds)
            if not gone:
                self._output.say(f"{self.spec.name} did not stop within {self.spec.stop_seconds:.0f} s and was killed")
        await self._ended.wait()

    def kill(self) -> None:
        """Kill it now; `stop` is still due."""
        if self._process is not None:
            kill_group(self._process)

    async def _run_once(self) -> None:
        again = self.life.was_ready
        self.life = self.life.starts(self._clock())
        spawned = await spawn(self.spec.launch_command(), self.spec.launch_environment(), self._descriptors)
        process = self._process = spawned.process
        if self._stopping.is_set():  # asked while it was being spawned
            process.send_signal(self.spec.stop_signal)
        showing = asyncio.create_task(spawned.show(self.spec.name, self._output))
        watching = asyncio.create_task(self._watch(process, again))
        try:
            code = await process.wait()
        finally:
            self.ready.clear()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.wait({showing}, timeout=OUTPUT_SECONDS)
            showing.cancel()
        kill_group(process)  # whatever it left behind
        self.exit_code = code
        # EX_CONFIG: only the user can remedy it, so that further attempts would fail the same way.
        policy = replace(self._policy, attempts=1) if code == os.EX_CONFIG else self._policy
        self.life = self.life.exits(self._clock(), policy)

    async def _watch(self, process: Process, again: bool) -> None:
        try:
            await asyncio.wait_for(self._until_probe_succeeds(), self._policy.start)
        except TimeoutError:
            self._output.say(f"{self.spec.name} is not ready after {self._policy.start:.0f} s; killing it")
            kill_group(process)
            return
        if again:
            self._output.say(f"{self.spec.name} is ready again")
            await self._restored(self.exit_code == 0)
        self.life = self.life.becomes_ready(self._clock())
        self.ready.set()

    async def _until_probe_succeeds(self) -> None:
        pause = SHORTEST_PAUSE_SECONDS
        while not await self.spec.ready():
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    async def _rest(self) -> None:
        match self.life.phase:
            case Phase.FAILED:
                raise StartError(f"{self.spec.name} does not start: it {ending(self.exit_code)}")
            case Phase.RESTING:
                delay = self.life.delay
                self._output.say(f"{self.spec.name} {ending(self.exit_code)}; starting it again in {delay:g} s")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay)


def ending(code: int | None) -> str:
    """How a process ended, for people."""
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
