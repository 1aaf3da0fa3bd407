"""What endpoints are given."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends, Request

from millrace_directory.insurance_plan.service import InsurancePlanService
from millrace_directory.location.service import LocationService
from millrace_directory.practice.service import PracticeService
from millrace_directory.provider.service import ProviderService
from millrace_directory.provider_location.service import ProviderLocationService
from millrace_directory.replay import Replay
from millrace_directory.writer import ADMIN, Writer
from millrace_feeds.relay import Relay
from millrace_platform.authentication import Principal, Role, require
from millrace_platform.database import Database
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class Directory:
    """The service, wired."""

    practices: PracticeService
    locations: LocationService
    providers: ProviderService
    provider_locations: ProviderLocationService
    insurance_plans: InsurancePlanService
    database: Database
    relay: Relay
    replay: Replay
    ids: Ids


async def _directory(request: Request) -> Directory:
    directory: Directory = request.app.state.directory
    return directory


InDirectory: TypeAlias = Annotated[Directory, Depends(_directory)]


def writer_of(principal: Principal) -> Writer:
    """What the caller may change, of those who may change something."""
    return ADMIN if principal.has(Role.ADMIN) else Writer(frozenset(_ids(principal.practices)))


def _ids(practices: Iterable[str]) -> Iterator[UUID]:
    for practice in practices:
        # Another issuer's groups may be named otherwise; such a one is no practice of ours.
        with suppress(ValueError):
            yield UUID(practice)


async def _writer(caller: Annotated[Principal, Depends(require(Role.STAFF, Role.ADMIN))]) -> Writer:
    return writer_of(caller)


async def _admin(caller: Annotated[Principal, Depends(require(Role.ADMIN))]) -> Writer:
    return writer_of(caller)


InWriter: TypeAlias = Annotated[Writer, Depends(_writer)]
"""An endpoint's parameter, to be named before those whose absence is a problem: who may not write learns no more."""
InAdmin: TypeAlias = Annotated[Writer, Depends(_admin)]
"""As `InWriter`, for what administrators alone write."""
