"""Tests of the rate limit of emails."""

from millrace_notifications.email.token_bucket import TokenBucket
from millrace_platform.testing import ManualClock


def test_burst_is_limited_to_one_second() -> None:
    clock = ManualClock()
    bucket = TokenBucket(14, clock)
    assert (bucket.take(8), bucket.take(8), bucket.take(8)) == (8, 6, 0)
    clock.advance(seconds=0.5)
    assert bucket.take(100) == 7
    clock.advance(hours=1)
    assert bucket.take(100) == 14


def test_unused_tokens_are_returned() -> None:
    bucket = TokenBucket(14, ManualClock())
    bucket.take(8)
    bucket.return_unused(8)
    assert bucket.take(100) == 14


def test_rate_below_one_per_second_allows_one_at_a_time() -> None:
    clock = ManualClock()
    bucket = TokenBucket(0.1, clock)
    assert (bucket.take(8), bucket.take(8)) == (1, 0)
    clock.advance(seconds=9)
    assert bucket.take(8) == 0
    clock.advance(seconds=1)
    assert bucket.take(8) == 1
