"""When everything has arrived."""

from collections.abc import Callable
from typing import Any

import pytest

from millrace_local.up import progress
from millrace_local.up.progress import figures_at_rest, work_done


def statuses(backlog: int = 0, in_flight: int = 0, lag: int | None = 0, handled: int = 7) -> dict[str, Any]:
    shards = [{"lag_ms": 0, "in_flight": 0}, {"lag_ms": lag, "in_flight": in_flight}]
    return {
        "directory": {"outbox": {"backlog": backlog}, "relay": {"pending": 0, "published": 9}},
        "refinery": {"consumer": {"shards": [{"lag_ms": 0, "in_flight": 0}], "handled": 9}},
        "projector": {"shards": shards, "handled": handled},
    }


def test_at_rest_it_tells_what_was_done() -> None:
    assert figures_at_rest(statuses()) == (9, 9, 7)


def test_work_anywhere_is_no_rest() -> None:
    assert figures_at_rest(statuses(backlog=1)) is None
    assert figures_at_rest(statuses(in_flight=1)) is None
    assert figures_at_rest(statuses(lag=20)) is None


def test_what_is_not_known_yet_is_no_rest() -> None:
    assert figures_at_rest(statuses(lag=None)) is None
    assert figures_at_rest({**statuses(), "projector": {"shards": [], "handled": 0}}) is None
    assert figures_at_rest({**statuses(), "refinery": None}) is None


def test_work_is_counted_while_there_is_more_of_it() -> None:
    assert work_done(statuses(backlog=5, handled=8)) == work_done(statuses()) + 1


def test_a_stage_that_comes_and_goes_has_done_nothing_by_that() -> None:
    assert work_done({**statuses(), "projector": None}) < work_done(statuses())


class Pages:
    """Status pages of services, one after the other; the last one stays. Each takes a second of the clock."""

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


async def test_the_first_read_model_is_waited_for(pages: Callable[..., Pages]) -> None:
    made = pages({"projector": None}, read_model(None), read_model(None, 9, 9), read_model(7), read_model(7, 5, 9))
    await progress.until_served({}, 5.0, made.clock)
    assert made.now == 5


async def test_a_read_model_that_lacks_the_last_of_it_is_not_enough(pages: Callable[..., Pages]) -> None:
    made = pages(read_model(7, 9, 4), read_model(7, 9, 4.9), read_model(7, 9, 5))
    await progress.until_served({}, 5.0, made.clock)
    assert made.now == 3


async def test_work_that_comes_back_begins_the_rest_anew(pages: Callable[..., Pages]) -> None:
    rest = {"refinery": statuses()["refinery"]}
    busy = {"refinery": {"consumer": {"shards": [{"lag_ms": 5, "in_flight": 1}], "handled": 9}}}
    made = pages(rest, busy, rest)
    await progress.until_drained({}, ["refinery"], made.clock)
    assert made.now == 5


async def test_what_doesnt_move_is_given_up(pages: Callable[..., Pages]) -> None:
    made = pages(read_model(None), read_model(None, handled=3), read_model(None, handled=3))
    with pytest.raises(progress.NotDrainedError, match="nothing moved for 120 s"):
        await progress.until_served({}, 5.0, made.clock)
    assert made.now == 2 + progress.STANDSTILL_SECONDS + 1
