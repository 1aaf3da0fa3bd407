"""Changes of one aggregate. Each is one transaction: the change, the changes of its dependents, and all events."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Generic

from sqlalchemy.exc import IntegrityError

from millrace_directory.errors import already_exists, in_use, not_found, rules_broken, version_conflict
from millrace_directory.fan_out import update_dependents
from millrace_directory.feed import events_of
from millrace_directory.model import Action, Key, S
from millrace_directory.permissions import Permissions
from millrace_directory.reading import Reader
from millrace_directory.repository import AggregateRow, Repository
from millrace_directory.rules import Violation
from millrace_directory.wire import E, VersionedEntity
from millrace_platform.preconditions import Tags
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_reference.refine import UnrefinableError, refine


class Service(Generic[S, E]):
    """Creates, replaces and deletes aggregates of one kind. Each method commits before it returns.

    Subclasses override `missing_references`, `obstacle` and `can_manage`. A row that the caller can't manage gets the
    same responses as one that doesn't exist.
    """

    reserved: ClassVar[tuple[str, ...]] = ()
    """Fields that only administrators can change."""

    def __init__(self, units: UnitsOfWork, reader: Reader[E], repository: Repository[S, E]) -> None:
        self.reader = reader
        self._units = units
        self._kind = reader.kind
        self._repository = repository

    async def create(self, permissions: Permissions, state: S) -> VersionedEntity[E]:
        """Create the aggregate and return it; a deleted one is restored with its next version.

        Problems: 409 if it exists, 422 if the state breaks a rule.
        """
        async with self._units.begin() as work:
            await self._check(work, permissions, state)
            state = await self.complete(work, permissions, state, None)
            before = await self._repository.find(work.session, state.key)
            row = None
            if before is None:
                row = await self._repository.insert(work.session, state)
            # Restoring needs permission too: other services still store data under the identifier.
            elif before.versioned.deleted and await self._can_change(work, permissions, before.state):
                row = await self._update(work, before, state)
            if row is None:
                raise already_exists(self._kind)
            return self._record(work, row, Action.CREATED)

    async def replace(
        self, permissions: Permissions, key: Key, match: Tags, change: Callable[[VersionedEntity[E]], S]
    ) -> VersionedEntity[E]:
        """Replace the state with `change(current entity)`. An equal state gets no new version and no event.

        Problems: 404, 412 if `match` doesn't contain the current version or a concurrent change was first, 422 if the
        state breaks a rule, 409 if it conflicts with another row.
        """
        async with self._units.begin() as work:
            before = await self._get(work, permissions, key, match)
            after = await self.complete(work, permissions, change(before.versioned), before.state)
            if after == before.state:
                return before.versioned
            await self._check(work, permissions, after, before.state)
            row = await self._update(work, before, after)
            if row is None:
                raise version_conflict(self._kind)
            versioned = self._record(work, row, Action.UPDATED)
            await update_dependents(work, before.state.domain_events(after))
            return versioned

    async def delete(self, permissions: Permissions, key: Key, match: Tags) -> None:
        """Turn the row into a tombstone. Problems: 404 and 412 as in `replace`, 409 if other rows need it."""
        async with self._units.begin() as work:
            before = await self._get(work, permissions, key, match)
            row = await self._update(work, before, before.state, deleted_at=work.now)
            if row is None:
                raise version_conflict(self._kind)
            obstacle = await self.obstacle(work, before.state)
            if obstacle is not None:
                raise in_use(self._kind, obstacle)
            self._record(work, row, Action.DELETED)
            await update_dependents(work, before.state.domain_events(None))

    async def missing_references(
        self,
        work: UnitOfWork,  # noqa: ARG002 # for overriders, as below
        permissions: Permissions,  # noqa: ARG002
        state: S,  # noqa: ARG002
        before: S | None,  # noqa: ARG002
    ) -> list[Violation]:
        """Return a violation for each reference of `state` to a row that doesn't exist or that the caller can't use.

        Locks the referenced rows in the order that `fan_out` documents. References that `before`, the former state, has
        too aren't checked: rows can't be deleted while others refer to them.
        """
        return []

    async def can_manage(self, work: UnitOfWork, permissions: Permissions, state: S) -> bool:  # noqa: ARG002 # for overriders
        """Return whether a caller who isn't an administrator can manage the aggregate."""
        return False

    async def complete(
        self,
        work: UnitOfWork,  # noqa: ARG002 # for overriders, as below
        permissions: Permissions,  # noqa: ARG002
        state: S,
        before: S | None,  # noqa: ARG002
    ) -> S:
        """Return a new state with the fields that the service decides; `before` is the former one, None if created."""
        return state

    async def obstacle(self, work: UnitOfWork, state: S) -> str | None:  # noqa: ARG002 # for overriders
        """Return why the row, which is locked, can't be deleted, and what to do; None if it can be deleted."""
        return None

    async def _can_change(self, work: UnitOfWork, permissions: Permissions, state: S) -> bool:
        return permissions.is_admin or await self.can_manage(work, permissions, state)

    async def _get(self, work: UnitOfWork, permissions: Permissions, key: Key, match: Tags) -> AggregateRow[S, E]:
        row = await self._repository.find(work.session, key)
        if row is None or row.versioned.deleted or not await self._can_change(work, permissions, row.state):
            raise not_found(self._kind)
        if not match.match_strongly(row.versioned.version):
            raise version_conflict(self._kind)
        return row

    async def _check(self, work: UnitOfWork, permissions: Permissions, state: S, before: S | None = None) -> None:
        violations = list(state.violations())
        if before is not None:
            violations += before.identity_violations(state)
            violations += () if permissions.is_admin else before.reserved_violations(state, self.reserved)
        violations += await self.missing_references(work, permissions, state, before)
        if violations:
            raise rules_broken(violations)

    async def _update(
        self, work: UnitOfWork, before: AggregateRow[S, E], after: S, deleted_at: datetime | None = None
    ) -> AggregateRow[S, E] | None:
        try:
            return await self._repository.update(work.session, before, after, deleted_at)
        except IntegrityError as error:
            raise already_exists(self._kind) from error

    def _record(self, work: UnitOfWork, row: AggregateRow[S, E], action: Action) -> VersionedEntity[E]:
        """Publish the event of a written row with the commit; raise a 422 problem if search couldn't show it."""
        if action is not Action.DELETED:
            try:
                refine(row.versioned.entity)
            except UnrefinableError as error:
                detail = f"Patients can't be shown the value, which {error.reason}."
                violation = Violation(error.field, detail, "Correct it.")
                raise rules_broken([violation]) from error
        work.record(*events_of(self._kind, [row.versioned], action))
        return row.versioned
