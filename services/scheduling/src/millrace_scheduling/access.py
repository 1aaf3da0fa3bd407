"""Permissions to call endpoints, and to see and change the data of a provider-location."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends

from millrace_platform.audit.caller import Caller, InCaller, purpose_missing
from millrace_platform.authentication import Principal, Role, require
from millrace_scheduling.provider_location.model import ProviderLocation

InPatient: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT))]


async def _staff(caller: InCaller, _allowed: Annotated[Principal, Depends(require(Role.STAFF, Role.ADMIN))]) -> Caller:
    return caller


InStaff: TypeAlias = Annotated[Caller, Depends(_staff)]


def can_manage(caller: Principal, provider_location: ProviderLocation) -> bool:
    """Return whether the caller is an admin or on the staff of the practice that the provider-location belongs to."""
    return caller.has(Role.ADMIN) or works_for(caller, provider_location.practice_id)


def can_see_patients(caller: Caller, provider_location: ProviderLocation) -> bool:
    """Return whether the caller may see and change others' appointments at a provider-location.

    Problem: 422 for an admin, who isn't on its staff, without a purpose.
    """
    if not can_manage(caller.principal, provider_location):
        return False
    if caller.purpose is None and not works_for(caller.principal, provider_location.practice_id):
        raise purpose_missing()
    return True


def works_for(caller: Principal, practice_id: UUID | None) -> bool:
    """Return whether the caller is on the staff of a practice."""
    return caller.has(Role.STAFF) and practice_id is not None and str(practice_id) in caller.practices
