"""For tests: an event loop whose time is virtual, and clocks that show it.

Hours of leases, retries and timeouts pass as fast as the code between them runs, always in the same order.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_EPOCH = 1_700_000_000.0


class _Jump(selectors.SelectSelector):
    """Instead of waiting for a file, lets the loop's time jump to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs timers at once, in order; does no I/O."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


class VirtualClock:
    """A `Clock` of the running loop. `skew` sets a machine's monotonic clock apart from the others'."""

    def __init__(self, skew: float = 0.0) -> None:
        self._skew = skew

    def time(self) -> float:
        return _EPOCH + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return self._skew + asyncio.get_running_loop().time()


async def elapse(seconds: float) -> None:
    """Let virtual time pass: all that is due until then has happened. Raises RuntimeError where time is real."""
    if not isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
        raise RuntimeError("time is real here: wait for the condition")
    await asyncio.sleep(seconds)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop with virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
