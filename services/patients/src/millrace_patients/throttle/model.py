"""Delay rules for repeated attempts, without I/O.

An attempt is counted before it is checked and forgiven after it succeeded, so concurrent attempts gain nothing. Delays
apply to a *source* (an address), or to a source at one account, never to the account itself: an attack from elsewhere
can reduce the free attempts of other sources at the account, but never to zero. A device with an earlier sign-in has a
count of its own ("device cookies", OWASP), which strangers cannot use up. Many people may share one source, such as a
clinic's network, so a source is limited generously and by failures: what succeeded is forgiven, and failures are
discarded an hour after the last one of the source at that account.
"""

from dataclasses import dataclass

WINDOW = 3600.0
"""Seconds after the last attempt of a source at an account after which its count is discarded."""


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
SOURCE = DelayPolicy(allowance=100, base=1.0, cap=60.0)
"""Policy for a source's failed sign-ins at all accounts: it is slowed down, but never blocked."""
EMAILS_TO_ADDRESS = 3
"""Limit of emails to one address in an hour. Their tokens are valid as long, so the owner always has a valid one."""
UNUSED_EMAILS = DelayPolicy(allowance=100, base=1.0, cap=60.0)
"""Policy for the emails that one source requests, to any addresses, and whose tokens have not been used."""
EMAILS_OF_SOURCE = DelayPolicy(allowance=1000, base=1.0, cap=60.0)
"""Policy for all emails that one source requests, those with used tokens included."""

STRICTEST_FAILURES = 100
"""Failures at an account from which on its policy doesn't get stricter."""


def account_policy(failures: int) -> DelayPolicy:
    """Return the policy for a source at one account.

    `failures` are those at the account from all unknown devices: the more, the stricter the policy.
    """
    if failures < 20:
        return DelayPolicy(allowance=5, base=1.0, cap=900.0)
    if failures < STRICTEST_FAILURES:
        return DelayPolicy(allowance=2, base=30.0, cap=900.0)
    return DelayPolicy(allowance=1, base=300.0, cap=900.0)
