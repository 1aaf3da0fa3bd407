"""Delay rules for repeated attempts, without I/O.

An attempt is counted before it is checked and subtracted after it succeeded, so concurrent attempts gain nothing.
Delays apply to a *source* (an address), or to a source at one account, never to the account itself: an attack from
elsewhere can reduce the free attempts of other sources at the account, but never to zero. A device with an earlier
sign-in has a count of its own ("device cookies", OWASP), which strangers cannot use up.
"""

from dataclasses import dataclass

WINDOW = 3600.0
"""Seconds without an attempt after which a count is discarded."""


@dataclass(frozen=True, slots=True)
class AttemptCount:
    """Number of failed attempts and the time of the last attempt (Unix seconds)."""

    failures: int
    last_attempt_at: float


@dataclass(frozen=True, slots=True)
class DelayPolicy:
    """Exponential delay: after `allowance` free attempts, each doubles the wait, from `base` up to `cap` seconds."""

    allowance: int
    base: float
    cap: float

    def wait(self, count: AttemptCount, now: float) -> float:
        """Return the seconds until the next attempt is allowed; 0 if it is allowed now."""
        if count.failures < self.allowance:
            return 0.0
        doublings = min(count.failures - self.allowance, 32)
        return max(0.0, count.last_attempt_at + min(self.base * 2.0**doublings, self.cap) - now)


DEVICE = DelayPolicy(allowance=10, base=1.0, cap=900.0)
SOURCE = DelayPolicy(allowance=30, base=1.0, cap=60.0)
"""Policy for a source at all accounts. Many people may share one address, so it is slowed down but never blocked."""
EMAIL = DelayPolicy(allowance=3, base=WINDOW, cap=WINDOW)
"""Limit of emails to one address in an hour. Their tokens are valid as long, so the owner always has a valid one."""
EMAIL_SOURCE = DelayPolicy(allowance=20, base=30.0, cap=WINDOW)
"""Limit of emails that one source requests, to any addresses."""


def account_policy(from_anywhere: AttemptCount) -> DelayPolicy:
    """Return the policy for a source at one account.

    `from_anywhere` counts the account's failures from all unknown devices: the more, the stricter the policy.
    """
    if from_anywhere.failures < 20:
        return DelayPolicy(allowance=5, base=1.0, cap=900.0)
    if from_anywhere.failures < 100:
        return DelayPolicy(allowance=2, base=30.0, cap=900.0)
    return DelayPolicy(allowance=1, base=300.0, cap=900.0)


def discard_if_old(count: AttemptCount, now: float) -> AttemptCount:
    """Return the count, or an empty one if the last attempt was more than `WINDOW` seconds ago."""
    return AttemptCount(0, now) if now - count.last_attempt_at > WINDOW else count
