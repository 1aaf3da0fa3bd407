"""Runs one supervised process by asyncio, by the rules in `lifecycle`."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from millrace_local.process import ProcessSpec, launch_environment
from millrace_local.up.lifecycle import Lifecycle, Phase, RestartPolicy
from millrace_local.up.output import LineSplitter, Output
from millrace_local.up.programs import ForkServer, RunningProcess

CHUNK = 65536
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.5  # between two probes
# A grandchild may have the pipe open longer than the process lives.
OUTPUT_SECONDS = 1.0

Clock = Callable[[], float]
RestoreHook = Callable[[bool], Awaitable[None]]


class StartError(RuntimeError):
    """A process never became ready; the text names the process and how it ended."""


async def spawn(spec: ProcessSpec, descriptors: Sequence[int], fork_server: ForkServer | None = None) -> "ChildProcess":
    """Start the process in its own process group, with both outputs in one pipe; by the fork server if it can."""
    ours, theirs = os.pipe()
    environment = launch_environment(spec.environment)
    process: RunningProcess | None = None
    try:
        if fork_server is not None and not spec.unprivileged:
            process = await fork_server.start(spec.command, spec.stop_signal, environment, theirs, descriptors)
        if process is None:
            process = await asyncio.create_subprocess_exec(
                *spec.launch_command(),
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
    return ChildProcess(process, ours)


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A process and the read end of its output.

    The pipe isn't asyncio's own, because `Process.wait` would wait until every process that inherited it closes it.
    """

    process: RunningProcess
    pipe: int

    async def show(self, name: str, output: Output, hidden: Sequence[str] = ()) -> None:
        """Write the process's lines to `output`, except those that contain one of `hidden`; else like `read_lines`."""

        def show_line(line: str) -> None:
            if not any(text in line for text in hidden):
                output.line(name, line)

        await self.read_lines(show_line)

    async def read_lines(self, use: Callable[[str], None]) -> None:
        """Call `use` with each line until all writers closed the pipe; close our end. Call it once."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self.pipe, "rb", buffering=0)
        )
        splitter = LineSplitter()
        try:
            while chunk := await reader.read(CHUNK):
                for line in splitter.feed(chunk):
                    use(line)
            for line in splitter.flush():
                use(line)
        finally:
            transport.close()


async def end(process: RunningProcess, stop_signal: signal.Signals, seconds: float) -> bool:
    """Stop `process`; kill its group if it takes longer than `seconds`. Return False if it had to be killed."""
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


def kill_group(process: RunningProcess) -> None:
    """Kill the process group that `process` leads, if any of it is alive."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def nothing_to_restore(_clean: bool) -> None:
    """Do nothing; the default of `restore`."""


class Child:
    """Keeps one process running until `stop`.

    `exit_code` is that of its last exit, negative for a signal. `restore(clean)` runs each time the process is ready
    *again*, before the child counts as ready; `clean` is True if it had exited with code 0.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        output: Output,
        *,
        clock: Clock,
        policy: RestartPolicy,
        descriptors: Sequence[int] = (),
        restore: RestoreHook = nothing_to_restore,
        fork_server: ForkServer | None = None,
    ) -> None:
        self.spec = spec
        self.life = Lifecycle(Phase.STARTING, clock())
        self.ready = asyncio.Event()
        self._output = output
        self._clock = clock
        self._policy = policy
        self._descriptors = descriptors
        self._restore = restore
        self._fork_server = fork_server
        self._process: RunningProcess | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self.exit_code: int | None = None

    @property
    def process_id(self) -> int | None:
        """The id of the latest process; None before the first start."""
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """Start the process, and restart it whenever it exits, until `stop`. Raise StartError if it has failed."""
        try:
            while self.life.phase in {Phase.STARTING, Phase.PAUSED}:
                await self._run_once()
                await self._rest()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Stop the process permanently and wait for its exit; kill it after `stop_seconds`."""
        self.life = self.life.stops(self._clock())
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            gone = await end(self._process, self.spec.stop_signal, self.spec.stop_seconds)
            if not gone:
                self._output.say(f"{self.spec.name} did not stop within {self.spec.stop_seconds:.0f} s and was killed")
        await self._ended.wait()

    def kill(self) -> None:
        """Kill the process now; `stop` must still be called."""
        if self._process is not None:
            kill_group(self._process)

    async def _run_once(self) -> None:
        again = self.life.was_ready
        self.life = self.life.starts(self._clock())
        child_process = await spawn(self.spec, self._descriptors, self._fork_server)
        process = self._process = child_process.process
        if self._stopping.is_set():  # `stop` was called while it was being spawned
            process.send_signal(self.spec.stop_signal)
        showing = asyncio.create_task(child_process.show(self.spec.name, self._output, self.spec.hidden))
        watching = asyncio.create_task(self._watch(process, again))
        try:
            code = await process.wait()
        finally:
            self.ready.clear()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.wait({showing}, timeout=OUTPUT_SECONDS)
            showing.cancel()
        kill_group(process)  # its remaining children
        self.exit_code = code
        # EX_CONFIG: only the user can remedy it, so that further attempts would fail the same way.
        policy = replace(self._policy, attempts=1) if code == os.EX_CONFIG else self._policy
        self.life = self.life.exits(self._clock(), policy)

    async def _watch(self, process: RunningProcess, again: bool) -> None:
        try:
            await asyncio.wait_for(self._until_probe_succeeds(), self._policy.start)
        except TimeoutError:
            self._output.say(f"{self.spec.name} is not ready after {self._policy.start:.0f} s; killing it")
            kill_group(process)
            return
        if again:
            self._output.say(f"{self.spec.name} is ready again")
            await self._restore(self.exit_code == 0)
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
            case Phase.PAUSED:
                delay = self.life.delay
                self._output.say(f"{self.spec.name} {ending(self.exit_code)}; starting it again in {delay:g} s")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay)


def ending(code: int | None) -> str:
    """Describe how a process ended, by its exit code; a negative code is a signal."""
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
