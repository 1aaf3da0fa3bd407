"""A clock that tests turn."""

START = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""


class ManualClock:
    """Stands until it is turned: `now` is both its time and its monotonic one."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now
