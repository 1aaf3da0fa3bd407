"""When a process is restarted, and when it fails."""

from millrace_feeds.backoff import Backoff
from millrace_local.up.lifecycle import Lifecycle, Phase, RestartPolicy

POLICY = RestartPolicy(Backoff(first=1, ceiling=4, jitter=0), steady=30, attempts=3)
NEW = Lifecycle(Phase.STARTING, 0)


def failing(times: int, life: Lifecycle) -> list[Lifecycle]:
    seen = []
    for _ in range(times):
        life = life.starts(life.since).exits(life.since, POLICY)
        seen.append(life)
    return seen


def test_delay_doubles_up_to_a_limit() -> None:
    was_ready = NEW.becomes_ready(1)
    assert [life.delay for life in failing(5, was_ready)] == [1, 2, 4, 4, 4]


def test_steady_run_resets_the_delay() -> None:
    tired = failing(5, NEW.becomes_ready(1))[-1]
    steady = tired.starts(100).becomes_ready(101).exits(131, POLICY)
    assert (steady.phase, steady.delay) == (Phase.PAUSED, 1)


def test_short_run_does_not_reset_the_delay() -> None:
    tired = failing(2, NEW.becomes_ready(1))[-1]
    assert tired.starts(100).becomes_ready(101).exits(130, POLICY).delay == 4


def test_process_that_was_never_ready_fails_after_some_attempts() -> None:
    assert [life.phase for life in failing(3, NEW)] == [Phase.PAUSED, Phase.PAUSED, Phase.FAILED]


def test_process_that_was_ready_is_restarted_forever() -> None:
    assert failing(50, NEW.becomes_ready(1))[-1].phase is Phase.PAUSED


def test_exit_after_a_stop_is_no_failure() -> None:
    stopped = NEW.becomes_ready(1).stops(2).exits(3, POLICY)
    assert (stopped.phase, stopped.failures) == (Phase.STOPPED, 0)


def test_stop_while_paused_needs_no_exit() -> None:
    assert failing(1, NEW)[-1].stops(5).phase is Phase.STOPPED


def test_late_readiness_does_not_undo_a_stop() -> None:
    assert NEW.stops(1).becomes_ready(2).phase is Phase.STOPPING
