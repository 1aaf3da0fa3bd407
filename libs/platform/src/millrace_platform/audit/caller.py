"""The sender of a request for personal data: who it is, and why."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends, Header

from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.authentication import InPrincipal, Principal
from millrace_platform.errors import FieldError, Problem, Unprocessable


@dataclass(frozen=True, slots=True)
class Caller:
    """Sender of a request. `purpose` is None if the request has no `Purpose-Of-Use` header."""

    principal: Principal
    purpose: Purpose | None

    def is_patient(self, patient_id: UUID) -> bool:
        return self.principal.subject == patient_id

    def audit_entry(self, patient_id: UUID, action: Action, target: str) -> AuditEntry:
        """Return the audit entry for an access by this caller; `target` names the accessed data.

        Without a purpose, the access to another's data is one for treatment.
        """
        purpose = Purpose.PATIENT_REQUEST if self.is_patient(patient_id) else self.purpose or Purpose.TREATMENT
        return AuditEntry(
            actor_id=self.principal.subject,
            roles=",".join(sorted(self.principal.roles)),
            person_id=patient_id,
            action=action,
            target=target,
            purpose=purpose,
        )


def purpose_missing() -> Problem:
    """Return the problem for an access to another person's data without a purpose."""
    known = ", ".join(Purpose)
    missing = FieldError(
        field="Purpose-Of-Use", detail="Required to access another person's data.", remedy=f"Send one of {known}."
    )
    return Unprocessable(errors=[missing])


# A coroutine, because FastAPI runs plain functions in threads.
async def _caller(
    principal: InPrincipal,
    purpose_of_use: Annotated[
        Purpose | None,
        Header(description="Purpose of the access (HL7 PurposeOfUse); required for another person's data."),
    ] = None,
) -> Caller:
    return Caller(principal, purpose_of_use)


InCaller: TypeAlias = Annotated[Caller, Depends(_caller)]
"""Endpoint parameter that resolves to the caller."""
