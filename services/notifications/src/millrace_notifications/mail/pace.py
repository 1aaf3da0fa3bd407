"""How fast mail may leave: SES grants an account so many a second, and refuses what comes faster."""

from millrace_feeds.clock import Clock


class Pace:
    """Lets `per_second` through, up to a second's worth at once (a token bucket)."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second)
        self._clock = clock
        self._tokens = self._most
        self._at = clock.monotonic()

    def take(self, wanted: int) -> int:
        """How many may leave now, at most as many as wanted."""
        now = self._clock.monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken

    def give_back(self, unused: int) -> None:
        """What was taken and not needed."""
        self._tokens = min(self._most, self._tokens + unused)
