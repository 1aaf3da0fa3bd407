"""Rules of slowing down: pure.

An attempt is counted before it is judged and given back when it succeeds, so that many at once gain nothing. What is
held back is a *source* (an address), or a source at one account, never the account itself: somebody who attacks an
account from elsewhere can lower how often others may err there, never to zero. A device that was signed in on before
has a count of its own ("device cookies", OWASP), which no stranger can use up.
"""

from dataclasses import dataclass

WINDOW = 3600.0
"""Seconds without an attempt after which all is forgotten."""


@dataclass(frozen=True, slots=True)
class Count:
    """Attempts so far that didn't succeed, and when the last one was (Unix seconds)."""

    failures: int
    last: float


@dataclass(frozen=True, slots=True)
class Policy:
    """`allowance` attempts are free; then each costs twice the wait of the one before: `base` seconds up to `cap`."""

    allowance: int
    base: float
    cap: float

    def wait(self, count: Count, now: float) -> float:
        """Seconds until the next attempt may be made, 0 for now."""
        if count.failures < self.allowance:
            return 0.0
        doublings = min(count.failures - self.allowance, 32)
        return max(0.0, count.last + min(self.base * 2.0**doublings, self.cap) - now)


DEVICE = Policy(allowance=10, base=1.0, cap=900.0)
SOURCE = Policy(allowance=30, base=1.0, cap=60.0)
"""Many people may sit behind one address: it is slowed down, not shut out."""
MAIL = Policy(allowance=3, base=WINDOW, cap=WINDOW)
"""To one address: so many an hour. What is sent is valid for as long, so who asks in another's name takes nothing."""
MAIL_SOURCE = Policy(allowance=20, base=30.0, cap=WINDOW)


def at_account(from_anywhere: Count) -> Policy:
    """What a source may do at one account, given the failures at that account from all unknown devices."""
    if from_anywhere.failures < 20:
        return Policy(allowance=5, base=1.0, cap=900.0)
    if from_anywhere.failures < 100:
        return Policy(allowance=2, base=30.0, cap=900.0)
    return Policy(allowance=1, base=300.0, cap=900.0)


def current(count: Count, now: float) -> Count:
    """The count without what lies too far back."""
    return Count(0, now) if now - count.last > WINDOW else count
