"""The tasks of a service beside its requests: one group, and the process goes down with the first that fails."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

Task = Callable[[], Awaitable[None]]

_log = logging.getLogger("millrace.background")


def require_running() -> None:
    """Raise `CancelledError` where the current task was cancelled, whatever became of that.

    Loops that outlive errors ask it after each.
    A TaskGroup that is cancelled while one of its tasks fails tells of the failure alone (up to Python 3.12); so does
    whatever else fails while it is cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class TaskEndedError(RuntimeError):
    """A background task returned, though it should run until it is cancelled."""


class Background:
    """Runs tasks until `stop`. A task that raises or returns is a failure: it is logged, the others are cancelled.

    Use: `start`, later `stop` (at once, may be called again), then `join`. `on_failure` is called once, on the loop.
    """

    def __init__(self) -> None:
        self.failed: str | None = None
        """Name of the task that failed first."""
        self.stopping = False
        self.on_failure: Callable[[], None] = _nothing
        self._group: asyncio.Task[None] | None = None

    def start(self, tasks: Mapping[str, Task]) -> None:
        self._group = asyncio.create_task(self._run(tasks), name="background")

    def stop(self) -> None:
        """Cancel all tasks; each may finish what it has in flight."""
        if self._group is None or self.stopping:
            return
        self.stopping = True
        self._group.cancel()

    async def join(self, timeout: float) -> bool:  # noqa: ASYNC109 # the tasks aren't given up, only the wait
        """Wait until all tasks have ended, at most `timeout` seconds; whether they have."""
        if self._group is None:
            return True
        _, pending = await asyncio.wait({self._group}, timeout=timeout)
        return not pending

    async def _run(self, tasks: Mapping[str, Task]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for name, task in tasks.items():
                    group.create_task(self._watch(name, task), name=name)
        except* Exception as errors:
            _log.error("background tasks ended", extra={"failures": len(errors.exceptions)})

    async def _watch(self, name: str, task: Task) -> None:
        try:
            await task()
            if not self.stopping:
                raise TaskEndedError(name)
        except Exception:
            _log.exception("background task failed", extra={"task": name})
            self.fail(name)
            raise

    def fail(self, name: str) -> None:
        """Note the failure of a task, one of these or one that these depend on."""
        if self.failed is None:
            self.failed = name
            if not self.stopping:
                self.on_failure()


def _nothing() -> None:
    """Nobody has asked to be told."""
