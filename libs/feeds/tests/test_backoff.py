from random import Random

from millrace_feeds.backoff import Backoff


def test_delay_grows_to_ceiling() -> None:
    backoff = Backoff(first=1, factor=3, ceiling=10, jitter=0)
    assert [backoff.delay(failures) for failures in (1, 2, 3, 4, 1_000)] == [1, 3, 9, 10, 10]


def test_jitter_is_bounded_and_repeatable() -> None:
    backoff = Backoff(first=10, ceiling=10, jitter=0.2)
    delays = [backoff.delay(1, Random(seed)) for seed in range(100)]
    assert 8 <= min(delays) < 9
    assert 11 < max(delays) <= 12
    assert backoff.delay(1, Random(7)) == delays[7]
