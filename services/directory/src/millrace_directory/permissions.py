"""The caller's permission to manage entries of the directory."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Permissions:
    """The practices whose entries the caller can manage. None means all of them: the caller is an administrator."""

    practices: frozenset[UUID] | None

    @property
    def is_admin(self) -> bool:
        return self.practices is None

    def can_manage(self, practice: UUID | None) -> bool:
        """Return whether the caller can manage entries of a practice; entries without one (None) require an
        administrator.
        """
        return self.practices is None or practice in self.practices


ADMIN = Permissions(None)
