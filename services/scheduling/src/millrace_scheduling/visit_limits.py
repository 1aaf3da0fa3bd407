"""Limits of the upcoming visits of one account, with one provider and in all. Pure.

The visits of dependants count as those of the account: else it could add dependants to book more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FIRST_DAY: Final = timedelta(days=1)
"""How long the limits of new accounts apply."""


class TooManyVisitsError(Exception):
    """The account has as many upcoming visits as allowed, `is_with_provider`: with this provider."""

    def __init__(self, limits: "VisitLimits", *, is_with_provider: bool) -> None:
        super().__init__("too many upcoming visits")
        self.limits = limits
        self.is_with_provider = is_with_provider

    @property
    def allowed(self) -> int:
        """Return the limit that was reached."""
        return self.limits.with_provider if self.is_with_provider else self.limits.in_all


@dataclass(frozen=True, slots=True)
class VisitLimits:
    """How many upcoming visits an account may have with one provider, and in all.

    `until` is the end of the account's first day, None if these aren't the limits of a first day.
    """

    with_provider: int
    in_all: int
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PracticeLimits:
    """The limits that a practice sets for one of its providers, None where it uses those of the platform."""

    usual: int | None = None
    first_day: int | None = None


@dataclass(frozen=True, slots=True)
class UpcomingVisits:
    """Booked visits of an account that haven't begun: with one provider, and in all. Holds don't count."""

    with_provider: int = 0
    in_all: int = 0

    def require_below(self, limits: VisitLimits) -> None:
        """Raise `TooManyVisitsError` if no further visit with the provider is allowed."""
        if self.with_provider >= limits.with_provider:
            raise TooManyVisitsError(limits, is_with_provider=True)
        if self.in_all >= limits.in_all:
            raise TooManyVisitsError(limits, is_with_provider=False)


NO_VISITS: Final = UpcomingVisits()


@dataclass(frozen=True, slots=True)
class VisitPolicy:
    """The limits of the platform: the usual ones, and those of an account's first day."""

    usual: VisitLimits
    first_day: VisitLimits

    def limits_for(self, practice: PracticeLimits, registered_at: datetime | None, now: datetime) -> VisitLimits:
        """Return the limits of an account that began at `registered_at`; None: that isn't known.

        Without a known beginning the usual limits apply. A practice changes the limit with its provider, up to the
        platform's limit in all.
        """
        usual = _apply(practice.usual, self.usual)
        if registered_at is None or now >= registered_at + FIRST_DAY:
            return usual
        first_day = _apply(practice.first_day, self.first_day)
        return VisitLimits(
            min(first_day.with_provider, usual.with_provider),
            min(first_day.in_all, usual.in_all),
            until=registered_at + FIRST_DAY,
        )


def _apply(own: int | None, platform: VisitLimits) -> VisitLimits:
    with_provider = platform.with_provider if own is None else own
    return VisitLimits(min(with_provider, platform.in_all), platform.in_all)
