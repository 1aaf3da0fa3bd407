"""When everything has arrived."""

from typing import Any

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
