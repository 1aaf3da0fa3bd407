"""Permissions to call endpoints, and to see and change the data of a provider-location."""

from typing import Annotated, TypeAlias

from fastapi import Depends

from millrace_platform.authentication import Principal, Role, require
from millrace_scheduling.provider_location.model import ProviderLocation

InPatient: TypeAlias = Annotated[Principal, Depends(require(Role.PATIENT))]
InStaff: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF, Role.ADMIN))]


def can_manage(caller: Principal, provider_location: ProviderLocation) -> bool:
    """Return whether the caller is an admin or on the staff of the practice that the provider-location belongs to."""
    if caller.has(Role.ADMIN):
        return True
    practice_id = provider_location.practice_id
    return caller.has(Role.STAFF) and practice_id is not None and str(practice_id) in caller.practices
