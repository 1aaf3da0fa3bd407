"""Checks that practices and insurance plans exist."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from millrace_patients.directory import repository
from millrace_patients.directory.client import Directory
from millrace_patients.directory.model import Reference
from millrace_platform.database import ReadSession
from millrace_platform.errors import FieldError, Unprocessable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Attempt(Protocol[T_co]):
    """Type of an attempt of an operation. `is_confirmed`: the directory has confirmed what the copy lacks."""

    def __call__(self, *, is_confirmed: bool) -> Awaitable[T_co]: ...


class NotInCopyError(Exception):
    """The copy of the directory doesn't have a resource; its event may not have arrived yet."""

    def __init__(self, reference: Reference) -> None:
        super().__init__("not in the copy of the directory")
        self.reference = reference


async def require_in_copy(session: ReadSession, reference: Reference) -> None:
    """Raise `NotInCopyError` unless the copy has the resource."""
    if not await repository.exists(session, reference.kind, reference.id):
        raise NotInCopyError(reference)


@dataclass(frozen=True, slots=True)
class DirectoryService:
    """Runs operations that name resources which are in the copy, or else in the directory."""

    directory: Directory

    async def run_confirmed(self, attempt: Attempt[T]) -> T:
        """Return the result of an attempt; if it raises `NotInCopyError`, ask the directory, then attempt it again.

        The directory is asked while no attempt holds a transaction. Problems: 422 if there is no such resource, 503 if
        the directory doesn't respond, and those of the attempt.
        """
        try:
            return await attempt(is_confirmed=False)
        except NotInCopyError as error:
            reference = error.reference
        if not await self.directory.exists(reference.kind, reference.id):
            detail = f"There is no such {reference.kind.replace('-', ' ')}."
            raise Unprocessable(errors=[FieldError(field=reference.field, detail=detail, remedy=reference.remedy)])
        return await attempt(is_confirmed=True)
