"""Rate limit of emails, because SES rejects emails beyond an account's limit per second."""

from millrace_feeds.clock import Clock


class TokenBucket:
    """Allows `per_second` emails on average, and bursts of as many as one second allows (at least one)."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._per_second = per_second
        self._capacity = max(1.0, per_second)
        self._clock = clock
        self._tokens = self._capacity
        self._refilled_at = clock.monotonic()

    def take(self, wanted: int) -> int:
        """Take up to `wanted` tokens, one per email to send; return how many were available."""
        now = self._clock.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._refilled_at) * self._per_second)
        self._refilled_at = now
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken

    def return_unused(self, unused: int) -> None:
        """Put tokens back that were taken but not used."""
        self._tokens = min(self._capacity, self._tokens + unused)
