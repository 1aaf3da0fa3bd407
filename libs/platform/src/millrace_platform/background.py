"""Run the background tasks of a service as a group, which ends when one of them fails."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

Task = Callable[[], Awaitable[None]]

_log = logging.getLogger("millrace.background")


def raise_if_cancelled() -> None:
    """Raise `CancelledError` if the current task was cancelled; call it after each error that a loop catches.

    An error raised during cancellation replaces the `CancelledError`, e.g. in a TaskGroup up to Python 3.12; without
    this check the loop would continue after its cancellation.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class TaskEndedError(RuntimeError):
    """Raised when a background task returns instead of running until it is cancelled."""


class Background:
    """Runs tasks until `stop`. If a task raises or returns, logs the failure and cancels the other tasks.

    Call `start`, later `stop` (returns immediately, idempotent), then `join`. Calls `on_failure` at the first failure,
    on the event loop, unless the tasks are already being stopped.
    """

    def __init__(self) -> None:
        self.failed: str | None = None
        """Name of the task that failed first; None if no task failed."""
        self.stopping = False
        self.on_failure: Callable[[], None] = lambda: None
        self._group: asyncio.Task[None] | None = None

    def start(self, tasks: Mapping[str, Task]) -> None:
        self._group = asyncio.create_task(self._run(tasks), name="background")

    def stop(self) -> None:
        """Cancel all tasks; each may finish its current work."""
        if self._group is None or self.stopping:
            return
        self.stopping = True
        self._group.cancel()

    async def join(self, timeout: float) -> bool:  # noqa: ASYNC109 # the timeout ends the wait, not the tasks
        """Wait at most `timeout` seconds for all tasks to end; return whether they have."""
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
        """Record the failure of a task, in this group or in one that it depends on."""
        if self.failed is None:
            self.failed = name
            if not self.stopping:
                self.on_failure()
