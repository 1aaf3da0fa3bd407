"""The first generation is made when the first load has come to rest."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest

from millrace_feeds.transport import Record
from millrace_projector.as_of import AsOf
from millrace_projector.first_load import FirstLoad, Patience

PATIENCE = Patience(arrival=15.0, lull=1.0, load=60.0)
RECORD = Record(stream="entities", shard_id="shard-0", sequence="1", key="k", body=b"", arrived=0.0)


class Hall:
    """A truth, a clock that sleeping turns, and records that arrive by `arrivals`: applied at these seconds."""

    def __init__(self, arrivals: Callable[[float], bool], *, is_empty: bool = True) -> None:
        self.now = 0.0
        self.as_of = AsOf()
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

    async def waited(self) -> float:
        await FirstLoad(self, self.as_of, self, PATIENCE, sleep=self.sleep).over()
        return self.now


@pytest.mark.parametrize(
    ("arrivals", "seconds"),
    [
        pytest.param(lambda _: False, 15.0, id="nothing-comes"),
        pytest.param(lambda now: 3 < now < 9, 10.0, id="a-load-of-six-seconds"),
        pytest.param(lambda _: True, 60.0, id="it-never-ends"),
    ],
)
async def test_it_waits_for_the_end_of_the_load(arrivals: Callable[[float], bool], seconds: float) -> None:
    assert await Hall(arrivals).waited() == pytest.approx(seconds, abs=0.25)


async def test_openings_are_no_load() -> None:
    opening = replace(RECORD, key="availability/1234567893/x/2026-W48")
    hall = Hall(lambda now: 3 < now < 9)
    other = ExitStack()

    async def sleep(seconds: float) -> None:
        await hall.sleep(seconds)
        other.close()
        other.enter_context(hall.as_of.applying([opening]))

    await FirstLoad(hall, hall.as_of, hall, PATIENCE, sleep=sleep).over()
    assert hall.now == pytest.approx(10.0, abs=0.25)


async def test_a_truth_that_holds_something_is_read_at_once() -> None:
    assert await Hall(lambda _: True, is_empty=False).waited() == 0.0


async def test_a_read_model_that_was_lost_meanwhile_is_made_at_once() -> None:
    hall = Hall(lambda _: True)
    with hall.as_of.applying([RECORD]):
        assert await hall.waited() == 0.0


async def test_a_batch_that_takes_long_is_no_lull() -> None:
    hall = Hall(lambda _: False)
    batch = ExitStack()

    async def sleep(seconds: float) -> None:
        hall.now += seconds
        if 2.0 <= hall.now < 2.1:
            batch.enter_context(hall.as_of.applying([RECORD]))
        elif 9.0 <= hall.now < 9.1:
            batch.close()

    await FirstLoad(hall, hall.as_of, hall, PATIENCE, sleep=sleep).over()
    assert hall.now == pytest.approx(10.0, abs=0.25)
