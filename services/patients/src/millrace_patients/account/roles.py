"""Roles of accounts, set by administrators."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from millrace_patients.account import repository
from millrace_patients.account.model import Account, find_inconsistency
from millrace_patients.account.publication import revoke_tokens
from millrace_patients.directory.model import practice_reference
from millrace_patients.directory.service import DirectoryService, require_in_copy
from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.authentication import PRACTICE_GROUP, Principal, Role
from millrace_platform.errors import FieldError, NotFound, Unprocessable


@dataclass(frozen=True, slots=True)
class RoleService:
    """Reads and sets roles. Each method commits before it returns.

    New roles take effect with the next access token; earlier tokens are refused.
    """

    units: UnitsOfWork
    directory: DirectoryService | None
    """None for commands, which run without other services."""

    async def get(self, caller: Principal, identifier: UUID) -> Account:
        """Return the account. Problems: 404 if it is unknown or erased."""
        async with self.units.begin() as work:
            found = await repository.find(work.session, identifier)
            if found is None:
                raise _account_not_found()
            work.audit(_entry(caller, identifier, Action.READ, "account/roles"))
        return found

    async def set(
        self, caller: Principal | None, identifier: UUID, roles: tuple[Role, ...], practices: tuple[UUID, ...]
    ) -> Account:
        """Replace roles and practices. `caller` is None for an operator at the command line.

        Problems: 404 if the account is unknown or erased, 422 if roles and practices contradict each other or there is
        no such practice, 503 if a practice can't be checked.
        """
        inconsistency = find_inconsistency(roles, practices)
        if inconsistency is not None:
            remedy = "Send the role `staff` together with its practices."
            raise Unprocessable(errors=[FieldError(field="practices", detail=inconsistency, remedy=remedy)])
        if self.directory is not None:
            for practice_id in practices:
                await self.directory.run_confirmed(partial(self._require_practice, practice_id))
        async with self.units.begin() as work:
            before = await repository.find_for_update(work.session, identifier)
            changed = await repository.set_roles(work.session, identifier, roles, practices)
            if before is None or changed is None:
                raise _account_not_found()
            if changed != before:
                await revoke_tokens(work, identifier)
            work.audit(_entry(caller, identifier, Action.UPDATE, _granted(roles, practices)))
        return changed

    async def _require_practice(self, practice_id: UUID, *, is_confirmed: bool) -> None:
        if not is_confirmed:
            async with self.units.database.read() as session:
                await require_in_copy(session, practice_reference(practice_id, field="practices"))


def _account_not_found() -> NotFound:
    return NotFound("There is no such account.")


def _granted(roles: tuple[Role, ...], practices: tuple[UUID, ...]) -> str:
    """Return the target of an audit entry with the roles and practices that an account has from then on."""
    return "account/roles/" + ",".join([*sorted(roles), *sorted(f"{PRACTICE_GROUP}{each}" for each in practices)])


def _entry(caller: Principal | None, identifier: UUID, action: Action, target: str) -> AuditEntry:
    return AuditEntry(
        actor_id=None if caller is None else caller.subject,
        roles="" if caller is None else ",".join(sorted(caller.roles)),
        person_id=identifier,
        action=action,
        target=target,
        purpose=Purpose.ADMINISTRATION,
    )
