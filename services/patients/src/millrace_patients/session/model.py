"""Lifetimes of sessions by role, without I/O."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from millrace_platform.authentication import PRIVILEGED_ROLES, Role


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """`idle`: time for which a refresh token may stay unused; `total`: maximum age of a session."""

    idle: timedelta
    total: timedelta


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """Limits of sessions: those of accounts with access to other people's data are shorter."""

    patient: SessionLimits
    privileged: SessionLimits

    def limits(self, roles: Collection[Role]) -> SessionLimits:
        """Return the limits for an account with these roles."""
        return self.patient if PRIVILEGED_ROLES.isdisjoint(roles) else self.privileged
