"""Test support: an event loop with virtual time, a clock that shows it, and waits for conditions in real time.

Timers fire immediately and always in the same order, so tests cover hours of leases and retries in milliseconds.
"""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

_EPOCH = 1_700_000_000.0


class _TimeJumpSelector(selectors.SelectSelector):
    """Advances the loop's time to the next timer instead of waiting for I/O."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits for an event that can't occur")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that runs timers immediately in order, and does no I/O."""

    def __init__(self) -> None:
        self._selector_clock = _TimeJumpSelector()
        super().__init__(self._selector_clock)

    def time(self) -> float:
        return self._selector_clock.now


class VirtualClock:
    """A `Clock` that shows the running loop's time. `skew` is added to the monotonic clock, in seconds."""

    def __init__(self, skew: float = 0.0) -> None:
        self._skew = skew

    def time(self) -> float:
        return _EPOCH + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return self._skew + asyncio.get_running_loop().time()


async def elapse(seconds: float) -> None:
    """Let `seconds` of virtual time pass and run what is due. Raises RuntimeError on a loop with real time."""
    if not isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
        raise RuntimeError("elapse() needs virtual time; in real time wait for a condition")
    await asyncio.sleep(seconds)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to completion on a loop with virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


async def wait_until(condition: Callable[[], bool | Awaitable[bool]], *, within: float = 20.0) -> None:
    """Return as soon as the condition holds. Raise `TimeoutError` after `within` seconds."""
    async with asyncio.timeout(within):
        while True:
            result = condition()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.01)


async def ends_when_cancelled(task: asyncio.Task[Any], *, seconds: float = 5.0) -> bool:
    """Cancel the task once and return whether it ended as cancelled within `seconds`."""
    task.cancel()
    # Awaiting the task itself would cancel it again at the timeout.
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return bool(done) and task.cancelled()


def virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Decorate an asynchronous test so that it runs on a loop with virtual time."""

    @functools.wraps(test)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        run_virtual(test(*arguments, **options))

    return run
