"""How fast mail may leave."""

from millrace_notifications.mail.pace import Pace
from millrace_platform.testing import ManualClock


def test_a_second_holds_so_many_and_no_more_are_saved_up() -> None:
    clock = ManualClock()
    pace = Pace(14, clock)
    assert (pace.take(8), pace.take(8), pace.take(8)) == (8, 6, 0)
    clock.advance(seconds=0.5)
    assert pace.take(100) == 7
    clock.advance(hours=1)
    assert pace.take(100) == 14


def test_what_was_not_needed_is_given_back() -> None:
    pace = Pace(14, ManualClock())
    pace.take(8)
    pace.give_back(8)
    assert pace.take(100) == 14


def test_less_than_one_a_second_leaves_one_at_a_time() -> None:
    clock = ManualClock()
    pace = Pace(0.1, clock)
    assert (pace.take(8), pace.take(8)) == (1, 0)
    clock.advance(seconds=9)
    assert pace.take(8) == 0
    clock.advance(seconds=1)
    assert pace.take(8) == 1
