"""What accounts may do: given by administrators."""

from dataclasses import dataclass
from uuid import UUID

from millrace_patients.account import repository
from millrace_patients.account.model import Account, inconsistency
from millrace_patients.audit.model import Deed, Entry, Purpose
from millrace_patients.unit_of_work import Units
from millrace_platform.authentication import Principal, Role
from millrace_platform.errors import FieldError, NotFound, Unprocessable


@dataclass(frozen=True, slots=True)
class Roles:
    """Each method commits before it returns. A new role is in the next access token."""

    units: Units

    async def get(self, caller: Principal, identifier: UUID) -> Account:
        """Problems: 404."""
        async with self.units.begin() as work:
            found = await repository.by_id(work.session, identifier)
            if found is None:
                raise _is_not_there()
            work.note(_entry(caller, identifier, Deed.READ))
        return found

    async def set(
        self, caller: Principal | None, identifier: UUID, roles: tuple[Role, ...], practices: tuple[UUID, ...]
    ) -> Account:
        """`caller` None is the operator at the command line. Problems: 404, 422."""
        wrong = inconsistency(roles, practices)
        if wrong is not None:
            remedy = "Give the role `staff` together with the practices."
            raise Unprocessable(errors=[FieldError(field="practices", detail=wrong, remedy=remedy)])
        async with self.units.begin() as work:
            changed = await repository.set_roles(work.session, identifier, roles, practices)
            if changed is None:
                raise _is_not_there()
            work.note(_entry(caller, identifier, Deed.UPDATE))
        return changed


def _is_not_there() -> NotFound:
    return NotFound("There is no such account.")


def _entry(caller: Principal | None, identifier: UUID, deed: Deed) -> Entry:
    return Entry(
        actor=None if caller is None else caller.subject,
        roles="" if caller is None else ",".join(sorted(caller.roles)),
        person=identifier,
        deed=deed,
        what="account/roles",
        purpose=Purpose.ADMINISTRATION,
    )
