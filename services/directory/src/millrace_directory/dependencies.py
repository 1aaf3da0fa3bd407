"""Dependencies of the endpoints: the service's components and the caller's permissions."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends, Request

from millrace_contracts import entities
from millrace_directory.insurance_plan.model import InsurancePlan
from millrace_directory.location.service import LocationService
from millrace_directory.permissions import ADMIN, Permissions
from millrace_directory.practice.service import PracticeService
from millrace_directory.provider.service import ProviderService
from millrace_directory.provider_location.service import ProviderLocationService
from millrace_directory.replay import Replay
from millrace_directory.service import Service
from millrace_feeds.relay import Relay
from millrace_platform.authentication import Principal, Role, require
from millrace_platform.database import Database
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class Directory:
    """Components of the service that endpoints use."""

    practices: PracticeService
    locations: LocationService
    providers: ProviderService
    provider_locations: ProviderLocationService
    insurance_plans: Service[InsurancePlan, entities.InsurancePlan]
    database: Database
    relay: Relay
    replay: Replay
    ids: Ids


async def _directory(request: Request) -> Directory:
    directory: Directory = request.app.state.directory
    return directory


InDirectory: TypeAlias = Annotated[Directory, Depends(_directory)]


def _practice_ids(practices: Iterable[str]) -> Iterator[UUID]:
    for practice in practices:
        # Other issuers of tokens may have groups that aren't practices.
        with suppress(ValueError):
            yield UUID(practice)


async def _staff(caller: Annotated[Principal, Depends(require(Role.STAFF, Role.ADMIN))]) -> Permissions:
    return ADMIN if caller.has(Role.ADMIN) else Permissions(frozenset(_practice_ids(caller.practices)))


async def _admin(_: Annotated[Principal, Depends(require(Role.ADMIN))]) -> Permissions:
    return ADMIN


InStaff: TypeAlias = Annotated[Permissions, Depends(_staff)]
"""Endpoint parameter that resolves to the permissions of a caller who is staff or an administrator.

Declare it before parameters that can be invalid: callers without the role then get 401 or 403 only.
"""
InAdmin: TypeAlias = Annotated[Permissions, Depends(_admin)]
"""Endpoint parameter that resolves to the permissions of an administrator; other callers get 401 or 403."""
