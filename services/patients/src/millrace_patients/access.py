"""Access rules for personal data, shared by all routes.

Patients have full access to their own data. Staff of a practice may read the profile, dependants and insurance cards of
patients who share with that practice: all of them, or what the visits booked there need. Support may read the profile
that identifies a patient. Administrators may not read personal data. A caller without access gets the same 404 as for
an unknown patient.
"""

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from millrace_patients.person.vault import PersonKey, Vault
from millrace_patients.sharing import repository as shares
from millrace_patients.sharing.model import ALL_DATA, Scope, Share, VisibleData
from millrace_platform.audit.caller import Caller, purpose_missing
from millrace_platform.audit.unit_of_work import UnitOfWork
from millrace_platform.authentication import Principal, Role
from millrace_platform.errors import NotFound, Unauthenticated


class Permission(Enum):
    """Permission on one patient's data that a request requires."""

    READ_IDENTITY = auto()
    """Read the profile."""
    READ_CARE = auto()
    """Read dependants and insurance cards."""
    READ_PRIVATE = auto()
    """Read the audit trail, the shares or the export; only the patient has this permission."""
    WRITE = auto()
    """Change any of the data."""


def has_permission(principal: Principal, patient_id: UUID, shared_with: frozenset[str], permission: Permission) -> bool:
    """Return whether `principal` has the permission. `shared_with` are ids of practices the patient shares with."""
    if principal.subject == patient_id:
        return True
    if principal.has(Role.STAFF) and not principal.practices.isdisjoint(shared_with):
        return permission in (Permission.READ_IDENTITY, Permission.READ_CARE)
    return principal.has(Role.SUPPORT) and permission is Permission.READ_IDENTITY


@dataclass(frozen=True, slots=True)
class AccessControl:
    """Checks callers against the access rules. `has_sessions` is False if another issuer manages the sessions."""

    vault: Vault
    has_sessions: bool

    async def authorize(self, work: UnitOfWork, caller: Caller, patient_id: UUID, permission: Permission) -> PersonKey:
        """Check the permission and return the patient's data key; lock its row if the permission is `WRITE`.

        Problems: 401 for a token without a session, 404 without the permission or for an unknown patient, 422 if the
        request states no purpose for access to another person's data.
        """
        self._require_session(caller.principal)
        own = caller.is_patient(patient_id)
        if not own and caller.purpose is None:
            raise purpose_missing()
        shared = frozenset[str]() if own else await _list_practice_ids(work, patient_id)
        if not has_permission(caller.principal, patient_id, shared, permission):
            raise patient_not_found()
        load_key = self.vault.find_for_update if permission is Permission.WRITE else self.vault.find
        key = await load_key(work.session, patient_id)
        if key is None:
            raise patient_not_found()
        return key

    async def find_visible_data(self, work: UnitOfWork, caller: Caller, patient_id: UUID) -> VisibleData:
        """Return what an authorized caller may read: the staff of practices, what the patient shares with them."""
        principal = caller.principal
        if caller.is_patient(patient_id) or not principal.has(Role.STAFF):
            return ALL_DATA
        own = [each for each in await shares.list_all(work.session, patient_id) if _works_for(principal, each)]
        if any(each.scope is Scope.ALL for each in own) or (not own and principal.has(Role.SUPPORT)):
            return ALL_DATA
        visits = await shares.list_visits(work.session, patient_id, [each.practice_id for each in own])
        return VisibleData(is_all=False, visits=visits)

    def _require_session(self, principal: Principal) -> None:
        # The verifier of tokens has checked the session, if there is one.
        if self.has_sessions and principal.session is None:
            raise Unauthenticated("The token isn't from a sign-in. Sign in.", error="invalid_token")


async def _list_practice_ids(work: UnitOfWork, patient_id: UUID) -> frozenset[str]:
    """Return the ids of the practices a patient shares with, as text as in access tokens."""
    return frozenset(str(each.practice_id) for each in await shares.list_all(work.session, patient_id))


def _works_for(principal: Principal, share: Share) -> bool:
    return str(share.practice_id) in principal.practices


def patient_not_found() -> NotFound:
    return NotFound("There is no such patient.")
