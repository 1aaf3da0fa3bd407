"""The first rebuild of the read model waits until the source of truth is filled."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest

from millrace_feeds.transport import Record
from millrace_projector.as_of import AsOfTracker
from millrace_projector.first_load import FirstLoad, FirstLoadTimeouts

TIMEOUTS = FirstLoadTimeouts(first_record=15.0, idle=1.0, total=60.0)
RECORD = Record(stream="entities", shard_id="shard-0", sequence="1", key="k", body=b"", arrived=0.0)


class LoadSimulation:
    """Simulates a source of truth, and time that passes by sleeping; applies a record when `arrivals(now)` is True."""

    def __init__(self, arrivals: Callable[[float], bool], *, is_empty: bool = True) -> None:
        self.now = 0.0
        self.as_of = AsOfTracker()
        self._arrivals = arrivals
        self._is_empty = is_empty

    async def is_empty(self) -> bool:
        return self._is_empty

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._arrivals(self.now):
            with self.as_of.applying([RECORD]):
                pass

    async def wait(self) -> float:
        await FirstLoad(self.is_empty, self.as_of, self, TIMEOUTS, sleep=self.sleep).wait()
        return self.now


@pytest.mark.parametrize(
    ("arrivals", "seconds"),
    [
        pytest.param(lambda _: False, 15.0, id="no-record"),
        pytest.param(lambda now: 3 < now < 9, 10.0, id="six-seconds"),
        pytest.param(lambda _: True, 60.0, id="endless"),
    ],
)
async def test_wait_ends_with_the_load(arrivals: Callable[[float], bool], seconds: float) -> None:
    assert await LoadSimulation(arrivals).wait() == pytest.approx(seconds, abs=0.25)


async def test_openings_do_not_extend_the_wait() -> None:
    opening = replace(RECORD, key="availability/1234567893/x/2026-W48")
    load = LoadSimulation(lambda now: 3 < now < 9)
    other = ExitStack()

    async def sleep(seconds: float) -> None:
        await load.sleep(seconds)
        other.close()
        other.enter_context(load.as_of.applying([opening]))

    await FirstLoad(load.is_empty, load.as_of, load, TIMEOUTS, sleep=sleep).wait()
    assert load.now == pytest.approx(10.0, abs=0.25)


async def test_nonempty_truth_needs_no_wait() -> None:
    assert await LoadSimulation(lambda _: True, is_empty=False).wait() == 0.0


async def test_lost_read_model_needs_no_wait() -> None:
    load = LoadSimulation(lambda _: True)
    with load.as_of.applying([RECORD]):
        assert await load.wait() == 0.0


async def test_slow_batch_does_not_end_the_wait() -> None:
    load = LoadSimulation(lambda _: False)
    batch = ExitStack()

    async def sleep(seconds: float) -> None:
        load.now += seconds
        if 2.0 <= load.now < 2.1:
            batch.enter_context(load.as_of.applying([RECORD]))
        elif 9.0 <= load.now < 9.1:
            batch.close()

    await FirstLoad(load.is_empty, load.as_of, load, TIMEOUTS, sleep=sleep).wait()
    assert load.now == pytest.approx(10.0, abs=0.25)
