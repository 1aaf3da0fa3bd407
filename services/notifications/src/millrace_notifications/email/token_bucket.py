"""Rate limit of emails: SES allows an account a number of emails per second and rejects more."""

from millrace_feeds.clock import Clock


class TokenBucket:
    """Allows `per_second` on average, and bursts of one second's worth (at least one)."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._per_second = per_second
        self._capacity = max(1.0, per_second)
        self._clock = clock
        self._tokens = self._capacity
        self._refilled_at = clock.monotonic()

    def take(self, wanted: int) -> int:
        """Take up to `wanted` tokens and return how many were taken."""
        now = self._clock.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._refilled_at) * self._per_second)
        self._refilled_at = now
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken

    def return_unused(self, unused: int) -> None:
        """Put tokens back that were taken but not used."""
        self._tokens = min(self._capacity, self._tokens + unused)
