"""Decides from the copy what a patient may book, and asks `patients` before it refuses."""

from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from millrace_platform.errors import FieldError, Problem, Unprocessable
from millrace_scheduling.patient.client import Patients
from millrace_scheduling.patient.model import BookingPermissions, BookingRequirements

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Attempt(Protocol[T_co]):
    """Type of an attempt of an operation. `confirmed`: the response of `patients`, which has what the copy lacks."""

    def __call__(self, *, confirmed: BookingPermissions | None) -> Awaitable[T_co]: ...


class NotInCopyError(Exception):
    """The copy of the patients doesn't have what a request requires; the event may not have arrived yet."""

    def __init__(self, requirements: BookingRequirements) -> None:
        super().__init__("not in the copy of the patients")
        self.requirements = requirements


@dataclass(frozen=True, slots=True)
class PermissionService:
    """Runs operations that the copy permits, or else `patients`."""

    patients: Patients

    async def run_permitted(self, attempt: Attempt[T]) -> T:
        """Return the result of an attempt; if it raises `NotInCopyError`, ask `patients`, then attempt it again.

        `patients` is asked while no attempt holds a database connection. Problems: 409 without a sufficient profile,
        422 for ids of others, 503 if `patients` doesn't respond, and those of the attempt.
        """
        try:
            return await attempt(confirmed=None)
        except NotInCopyError as error:
            requirements = error.requirements
        permissions = await self.patients.find_permissions(requirements.patient_id)
        _require(requirements, permissions)
        return await attempt(confirmed=permissions)


def _require(requirements: BookingRequirements, permissions: BookingPermissions) -> None:
    """Raise a problem unless the permissions meet the requirements: 409 for the profile, 422 for ids of others."""
    patient_id = requirements.patient_id
    if requirements.needs_profile and not permissions.may_book:
        raise _profile_incomplete(patient_id, permissions.missing)
    errors = []
    dependant, card = requirements.dependant_id, requirements.insurance_card_id
    if dependant is not None and dependant not in permissions.dependant_ids:
        errors.append(_unknown_id(requirements.dependant_field, "dependant", f"/v1/patients/{patient_id}/dependants"))
    if card is not None and card not in permissions.insurance_card_ids:
        errors.append(_unknown_id("insurance_card_id", "insurance card", f"/v1/patients/{patient_id}/insurance-cards"))
    if errors:
        raise Unprocessable(errors=errors)


def _unknown_id(field: str, kind: str, path: str) -> FieldError:
    return FieldError(
        field=field, detail=f"You have no such {kind}.", remedy=f"Use one of {path}, or add it there first."
    )


def _profile_incomplete(patient_id: UUID, missing: Collection[str]) -> Problem:
    remedy = f"Add it with PUT /v1/patients/{patient_id}, then book again."
    return Problem(
        status=409,
        type="profile-incomplete",
        title="The profile lacks what a booking asks for",
        detail=f"Add {', '.join(missing)} with PUT /v1/patients/{patient_id}, then book again.",
        errors=[FieldError(field=name, detail="The profile doesn't have it.", remedy=remedy) for name in missing],
    )
