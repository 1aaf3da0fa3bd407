"""The states of one supervised process, without I/O, and the policy by which it is restarted or fails.

STARTING ──ready──▶ READY
   │                  │
   └──exit──▶ PAUSED ◀──exit──┘        PAUSED ──delay is over──▶ STARTING
   └──exit, too often before it ever was ready──▶ FAILED
any ──stop──▶ STOPPING ──exit──▶ STOPPED
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from millrace_feeds.backoff import Backoff

RESTART_BACKOFF = Backoff(first=0.25, ceiling=10.0, jitter=0.0)


class Phase(StrEnum):
    """Phase in the life of a process; PAUSED is the delay before a restart."""

    STARTING = "starting"
    READY = "ready"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When to restart a process that exited. Times are in seconds.

    `backoff` computes the delay from the number of consecutive exits, which is reset once a process was ready for
    `steady`. A process that exits `attempts` times without ever having been ready has failed. A process that isn't
    ready `start` after it was started is killed.
    """

    backoff: Backoff = RESTART_BACKOFF
    steady: float = 30.0
    attempts: int = 3
    start: float = 90.0


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """State of one process. Times are in seconds of a monotonic clock.

    `since`: when the phase began; `failures`: consecutive exits; `was_ready`: whether the process ever was ready;
    `delay`: duration of PAUSED.
    """

    phase: Phase
    since: float
    failures: int = 0
    was_ready: bool = False
    delay: float = 0.0

    def starts(self, now: float) -> "Lifecycle":
        """Return the state after the process was started."""
        return replace(self, phase=Phase.STARTING, since=now, delay=0.0)

    def becomes_ready(self, now: float) -> "Lifecycle":
        """Return the state after the readiness probe succeeded; unchanged if the process is stopping."""
        if self.phase is not Phase.STARTING:
            return self
        return replace(self, phase=Phase.READY, since=now, was_ready=True)

    def stops(self, now: float) -> "Lifecycle":
        """Return the state after a stop was requested."""
        phase = Phase.STOPPED if self.phase is Phase.PAUSED else Phase.STOPPING
        return replace(self, phase=phase, since=now)

    def exits(self, now: float, policy: RestartPolicy) -> "Lifecycle":
        """Return the state after the process exited: STOPPED after a requested stop, else PAUSED or FAILED."""
        if self.phase is Phase.STOPPING:
            return replace(self, phase=Phase.STOPPED, since=now)
        was_steady = self.phase is Phase.READY and now - self.since >= policy.steady
        failures = 1 if was_steady else self.failures + 1
        if not self.was_ready and failures >= policy.attempts:
            return replace(self, phase=Phase.FAILED, since=now, failures=failures)
        return replace(self, phase=Phase.PAUSED, since=now, failures=failures, delay=policy.backoff.delay(failures))
