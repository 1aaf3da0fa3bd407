"""Waiting for imported data."""

from collections.abc import Callable
from typing import Any

import pytest

from millrace_local.up import progress
from millrace_local.up.progress import progress_if_idle, work_done


def statuses(backlog: int = 0, in_flight: int = 0, lag: int | None = 0, handled: int = 7) -> dict[str, Any]:
    shards = [{"lag_ms": 0, "in_flight": 0}, {"lag_ms": lag, "in_flight": in_flight}]
    return {
        "directory": {"outbox": {"backlog": backlog}, "relay": {"pending": 0, "published": 9}},
        "refinery": {"consumer": {"shards": [{"lag_ms": 0, "in_flight": 0}], "handled": 9}},
        "projector": {"shards": shards, "handled": handled},
    }


def test_progress_is_returned_when_idle() -> None:
    assert progress_if_idle(statuses()) == (9, 9, 7)


def test_work_in_any_stage_is_not_idle() -> None:
    assert progress_if_idle(statuses(backlog=1)) is None
    assert progress_if_idle(statuses(in_flight=1)) is None
    assert progress_if_idle(statuses(lag=20)) is None


def test_unknown_lag_is_not_idle() -> None:
    assert progress_if_idle(statuses(lag=None)) is None
    assert progress_if_idle({**statuses(), "projector": {"shards": [], "handled": 0}}) is None
    assert progress_if_idle({**statuses(), "refinery": None}) is None


def test_work_done_sums_all_stages() -> None:
    assert work_done(statuses(backlog=5, handled=8)) == work_done(statuses()) + 1


def test_unavailable_stage_is_no_progress() -> None:
    assert work_done({**statuses(), "projector": None}) < work_done(statuses())


class Pages:
    """A sequence of status pages; the last one repeats. Each takes a second of the clock."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self._pages = list(pages)
        self.now = 0.0

    async def ask(self, _client: object, _variables: object, stage: str) -> Any:
        self.now += 1.0
        return (self._pages.pop(0) if len(self._pages) > 1 else self._pages[0])[stage]

    def clock(self) -> float:
        return self.now


def read_model(generation: int | None, *as_of: float, handled: int = 0) -> dict[str, Any]:
    shards = {str(number): each for number, each in enumerate(as_of)}
    return {"projector": {"read_model": {"generation": generation, "as_of": shards}, "handled": handled}}


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Pages]:
    def of(*each: dict[str, Any]) -> Pages:
        made = Pages(*each)
        monkeypatch.setattr(progress, "_status", made.ask)
        monkeypatch.setattr(progress, "POLL_SECONDS", 0.0)
        return made

    return of


async def test_first_read_model_is_awaited(pages: Callable[..., Pages]) -> None:
    made = pages({"projector": None}, read_model(None), read_model(None, 9, 9), read_model(7), read_model(7, 5, 9))
    await progress.until_served({}, 5.0, made.clock)
    assert made.now == 5


async def test_incomplete_read_model_is_not_enough(pages: Callable[..., Pages]) -> None:
    made = pages(read_model(7, 9, 4), read_model(7, 9, 4.9), read_model(7, 9, 5))
    await progress.until_served({}, 5.0, made.clock)
    assert made.now == 3


async def test_new_work_restarts_the_idle_period(pages: Callable[..., Pages]) -> None:
    rest = {"refinery": statuses()["refinery"]}
    busy = {"refinery": {"consumer": {"shards": [{"lag_ms": 5, "in_flight": 1}], "handled": 9}}}
    made = pages(rest, busy, rest)
    await progress.until_drained({}, ["refinery"], made.clock)
    assert made.now == 5


async def test_standstill_is_an_error(pages: Callable[..., Pages]) -> None:
    made = pages(read_model(None), read_model(None, handled=3), read_model(None, handled=3))
    with pytest.raises(progress.NotDrainedError, match="no progress for 120 s"):
        await progress.until_served({}, 5.0, made.clock)
    assert made.now == 2 + progress.STANDSTILL_SECONDS + 1
