"""Who writes to the directory, as far as the rules need to know. Pure."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Writer:
    """`practices` are those whose entries the caller may change; None stands for everything: an administrator."""

    practices: frozenset[UUID] | None

    @property
    def is_admin(self) -> bool:
        return self.practices is None

    def runs(self, practice: UUID | None) -> bool:
        """Whether what this practice runs is the caller's to change; what no practice runs is an administrator's."""
        return self.practices is None or practice in self.practices


ADMIN = Writer(None)
