"""Who may see and change whose data, and why: one place for every route.

Patients have all of their own. Staff of a practice reads what care needs of patients who share with that practice;
support reads who somebody is; administrators read nothing personal. Whatever a caller may not see answers as if it
weren't there.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends, Header

from millrace_patients.audit.model import Deed, Entry, Purpose
from millrace_patients.person.vault import PersonKey, Vault
from millrace_patients.session.service import Sessions
from millrace_patients.sharing.repository import practices_of
from millrace_patients.unit_of_work import Work
from millrace_platform.authentication import InPrincipal, Principal, Role
from millrace_platform.errors import FieldError, NotFound, Unauthenticated, Unprocessable


class Need(Enum):
    """What a request needs."""

    IDENTITY = auto()
    """To read who the patient is."""
    CARE = auto()
    """To read what a practice needs: dependants, insurance cards."""
    OWN = auto()
    """To read what concerns nobody else: the trail, the shares, the export."""
    CHANGE = auto()
    """To write."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks and why. `purpose` is None where the caller gave none."""

    principal: Principal
    purpose: Purpose | None

    def is_patient(self, patient_id: UUID) -> bool:
        return self.principal.subject == patient_id

    def entry(self, patient_id: UUID, deed: Deed, what: str) -> Entry:
        """The access as the trail has it."""
        own = self.is_patient(patient_id)
        return Entry(
            actor=self.principal.subject,
            roles=",".join(sorted(self.principal.roles)),
            person=patient_id,
            deed=deed,
            what=what,
            purpose=Purpose.PATIENT_REQUEST if own or self.purpose is None else self.purpose,
        )


def may(principal: Principal, patient_id: UUID, shared_with: frozenset[str], need: Need) -> bool:
    """Whether the caller may, given the practices that the patient shares with. Pure."""
    if principal.subject == patient_id:
        return True
    if principal.has(Role.STAFF) and not principal.practices.isdisjoint(shared_with):
        return need in (Need.IDENTITY, Need.CARE)
    return principal.has(Role.SUPPORT) and need is Need.IDENTITY


@dataclass(frozen=True, slots=True)
class Access:
    """Lets callers in. `sessions` None: they are kept by another issuer."""

    vault: Vault
    sessions: Sessions | None

    async def enter(self, work: Work, caller: Caller, patient_id: UUID, need: Need) -> PersonKey:
        """The patient's key, held until the end of the transaction for who writes.

        Problems: 401 where the session has ended, 404 for whoever may not, 422 without a purpose for others' data.
        """
        await self.check_session(work, caller.principal)
        if not caller.is_patient(patient_id) and caller.purpose is None:
            raise _needs_purpose()
        shared = frozenset[str]()
        if not caller.is_patient(patient_id):
            shared = await practices_of(work.session, patient_id)
        if not may(caller.principal, patient_id, shared, need):
            raise is_not_there()
        take = self.vault.hold if need is Need.CHANGE else self.vault.find
        key = await take(work.session, patient_id)
        if key is None:
            raise is_not_there()
        return key

    async def check_session(self, work: Work, principal: Principal) -> None:
        """Here, at the personal data itself, a sign-out holds at once, not only when the access token expires."""
        if self.sessions is None:
            return
        live = principal.session is not None and await self.sessions.is_live(
            work.session, UUID(principal.session), work.now
        )
        if not live:
            raise Unauthenticated("The session has ended: sign in again.", error="invalid_token")


def is_not_there() -> NotFound:
    return NotFound("There is no such patient.")


def _needs_purpose() -> Unprocessable:
    known = ", ".join(Purpose)
    missing = FieldError(
        field="Purpose-Of-Use", detail="It is needed for another person's data.", remedy=f"Give one of {known}."
    )
    return Unprocessable(errors=[missing])


def _caller(
    principal: InPrincipal,
    purpose_of_use: Annotated[
        Purpose | None, Header(description="Why (HL7 PurposeOfUse); needed for the data of another person.")
    ] = None,
) -> Caller:
    return Caller(principal, purpose_of_use)


InCaller: TypeAlias = Annotated[Caller, Depends(_caller)]
"""An endpoint's parameter."""
