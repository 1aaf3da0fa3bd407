"""The life of one supervised process as plain decisions: when it counts as failed, when it is started again.

STARTING ──ready──▶ READY
   │                  │
   └──exit──▶ RESTING ◀──exit──┘        RESTING ──delay is over──▶ STARTING
   └──exit, too often before it ever was ready──▶ FAILED
any ──stop──▶ STOPPING ──exit──▶ STOPPED
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """Where a process stands."""

    STARTING = "starting"
    READY = "ready"
    RESTING = "resting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When to start a process again. All times in seconds.

    The delay doubles from `first_delay` to `longest_delay`; a process that was ready for `steady` begins anew. One
    that ends `attempts` times without ever having been ready has failed: it won't get better by itself.
    """

    first_delay: float = 0.25
    longest_delay: float = 10.0
    steady: float = 30.0
    attempts: int = 3
    start: float = 90.0

    def delay(self, failures: int) -> float:
        """How long to wait after the `failures`-th failure in a row."""
        return min(self.first_delay * 2.0 ** min(failures - 1, 30), self.longest_delay)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """One process at one moment. `since`: when the phase began; `delay`: how long RESTING lasts."""

    phase: Phase
    since: float
    failures: int = 0
    was_ready: bool = False
    delay: float = 0.0

    def starts(self, now: float) -> "Lifecycle":
        """It was spawned, for the first time or again."""
        return replace(self, phase=Phase.STARTING, since=now, delay=0.0)

    def becomes_ready(self, now: float) -> "Lifecycle":
        """Its probe succeeded; without effect when it was asked to stop meanwhile."""
        if self.phase is not Phase.STARTING:
            return self
        return replace(self, phase=Phase.READY, since=now, was_ready=True)

    def stops(self, now: float) -> "Lifecycle":
        """We asked it to stop, or it rests and shall not come back."""
        phase = Phase.STOPPED if self.phase is Phase.RESTING else Phase.STOPPING
        return replace(self, phase=phase, since=now)

    def exits(self, now: float, policy: RestartPolicy) -> "Lifecycle":
        """It ended, by itself or because we asked."""
        if self.phase is Phase.STOPPING:
            return replace(self, phase=Phase.STOPPED, since=now)
        was_steady = self.phase is Phase.READY and now - self.since >= policy.steady
        failures = 1 if was_steady else self.failures + 1
        if not self.was_ready and failures >= policy.attempts:
            return replace(self, phase=Phase.FAILED, since=now, failures=failures)
        return replace(self, phase=Phase.RESTING, since=now, failures=failures, delay=policy.delay(failures))
