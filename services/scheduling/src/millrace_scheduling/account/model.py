"""Roles of accounts. Pure."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AccountRoles:
    """Roles of a version of an account, and the practices it is staff of; none once it is erased."""

    id: UUID
    version: int
    roles: tuple[str, ...]
    practice_ids: tuple[UUID, ...]
