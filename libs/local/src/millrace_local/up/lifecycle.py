"""The states of one supervised process, without I/O: when it counts as failed, when it is restarted.

STARTING ──ready──▶ READY
   │                  │
   └──exit──▶ PAUSED ◀──exit──┘        PAUSED ──delay is over──▶ STARTING
   └──exit, too often before it ever was ready──▶ FAILED
any ──stop──▶ STOPPING ──exit──▶ STOPPED
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """State of a process."""

    STARTING = "starting"
    READY = "ready"
    PAUSED = "resting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When to restart a process. Times are in seconds.

    The delay doubles from `first_delay` to `longest_delay`; it is reset once a process was ready for `steady`. A
    process that exits `attempts` times without ever having been ready has failed.
    """

    first_delay: float = 0.25
    longest_delay: float = 10.0
    steady: float = 30.0
    attempts: int = 3
    start: float = 90.0

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after `failures` consecutive failures."""
        return min(self.first_delay * 2.0 ** min(failures - 1, 30), self.longest_delay)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """State of one process. `since`: when the phase began; `delay`: duration of PAUSED."""

    phase: Phase
    since: float
    failures: int = 0
    was_ready: bool = False
    delay: float = 0.0

    def starts(self, now: float) -> "Lifecycle":
        """Return the state after it was spawned."""
        return replace(self, phase=Phase.STARTING, since=now, delay=0.0)

    def becomes_ready(self, now: float) -> "Lifecycle":
        """Return the state after its probe succeeded; unchanged if it is stopping."""
        if self.phase is not Phase.STARTING:
            return self
        return replace(self, phase=Phase.READY, since=now, was_ready=True)

    def stops(self, now: float) -> "Lifecycle":
        """Return the state after a stop was requested."""
        phase = Phase.STOPPED if self.phase is Phase.PAUSED else Phase.STOPPING
        return replace(self, phase=phase, since=now)

    def exits(self, now: float, policy: RestartPolicy) -> "Lifecycle":
        """Return the state after it exited."""
        if self.phase is Phase.STOPPING:
            return replace(self, phase=Phase.STOPPED, since=now)
        was_steady = self.phase is Phase.READY and now - self.since >= policy.steady
        failures = 1 if was_steady else self.failures + 1
        if not self.was_ready and failures >= policy.attempts:
            return replace(self, phase=Phase.FAILED, since=now, failures=failures)
        return replace(self, phase=Phase.PAUSED, since=now, failures=failures, delay=policy.delay(failures))
