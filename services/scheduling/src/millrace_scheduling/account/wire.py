"""Conversion of accounts of the `entities` feed to their roles."""

from uuid import UUID

from millrace_contracts.entities import Account
from millrace_scheduling.account.model import AccountRoles


def roles_from(account: Account, version: int) -> tuple[AccountRoles, bool]:
    """Return the roles of a version of an account, and whether it was erased. Raises `ValueError` for invalid ids."""
    is_erased = account.state == "erased"
    roles = () if is_erased else account.roles
    practice_ids = () if is_erased else tuple(map(UUID, account.practice_ids))
    return AccountRoles(UUID(account.id), version, roles, practice_ids), is_erased
