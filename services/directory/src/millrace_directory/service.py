"""Commands on one aggregate: each is one transaction of the change, what follows from it, and all their events."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Generic

from sqlalchemy.exc import IntegrityError

from millrace_directory.errors import breaks_rules, is_needed, is_not_there, is_stale, is_taken
from millrace_directory.events import Action, Key
from millrace_directory.fan_out import apply_consequences
from millrace_directory.feed import record_row
from millrace_directory.model import S, Stored
from millrace_directory.reading import Reader
from millrace_directory.repository import Repository
from millrace_directory.rules import Violation
from millrace_directory.wire import E, Written, by_keys
from millrace_directory.writer import Writer
from millrace_platform.preconditions import Tags
from millrace_platform.statements import first
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_reference.refine import UnrefinableError, refine


class Service(Generic[S, E]):
    """Creates, replaces and deletes. Each method commits before it returns, and raises problems meant for the client.

    Subclasses say what a state refers to (`references`), what keeps it from being deleted (`obstacle`), and what is
    whose (`is_run_by`). What a writer may not change is answered like what isn't there.
    """

    reserved: ClassVar[tuple[str, ...]] = ()
    """Fields that administrators alone change."""

    def __init__(self, units: UnitsOfWork, reader: Reader[E], repository: Repository[S]) -> None:
        self.reader = reader
        self._units = units
        self._kind = reader.kind
        self._rows = repository

    async def create(self, writer: Writer, state: S) -> Written[E]:
        """A 409 problem where it is there already. One that was deleted comes back with its next version."""
        async with self._units.begin() as work:
            await self._check(work, writer, state)
            before = await self._rows.get(work.session, state.key)
            if before is None:
                done = await self._rows.add(work.session, state)
            else:
                # Who took over another's identifier would get what others still know by it.
                is_free = before.deleted and await self._may_change(work, writer, before.state)
                done = is_free and await self._advance(work, before, state)
            if not done:
                raise is_taken(self._kind, state.key)
            return await self._emit(work, state.key, Action.CREATED)

    async def replace(self, writer: Writer, key: Key, match: Tags, change: Callable[[Written[E]], S]) -> Written[E]:
        """Put `change(what is there)` in its place; what changes nothing keeps the version and emits nothing.

        Problems: 404, 412 where `match` doesn't accept the version or another writer was faster, 422, 409.
        """
        async with self._units.begin() as work:
            before = await self._expected(work, writer, key, match)
            after = change(await self._written(work, key))
            if after == before.state:
                return await self._written(work, key)
            await self._check(work, writer, after, before.state)
            if not await self._advance(work, before, after):
                raise is_stale(self._kind)
            written = await self._emit(work, key, Action.UPDATED)
            await apply_consequences(work, before.state.consequences(after))
            return written

    async def delete(self, writer: Writer, key: Key, match: Tags) -> None:
        """Leave a tombstone. Problems: 404, 412 as in `replace`, 409 where others need it."""
        async with self._units.begin() as work:
            before = await self._expected(work, writer, key, match)
            if not await self._advance(work, before, before.state, deleted_at=work.now):
                raise is_stale(self._kind)
            obstacle = await self.obstacle(work, before.state)
            if obstacle is not None:
                raise is_needed(self._kind, obstacle)
            await self._emit(work, key, Action.DELETED)
            await apply_consequences(work, before.state.consequences(None))

    async def references(self, work: UnitOfWork, writer: Writer, state: S, before: S | None) -> list[Violation]:  # noqa: ARG002 # for overriders
        """Lock what the state refers to and `before` didn't, in the order that `fan_out` gives; what of it isn't there
        for the writer. What `before` refers to is there: nobody could delete it meanwhile."""
        return []

    async def is_run_by(self, work: UnitOfWork, writer: Writer, state: S) -> bool:  # noqa: ARG002 # nobody, unless overridden
        """Whether it belongs to a practice of the writer, a member of staff."""
        return False

    async def obstacle(self, work: UnitOfWork, state: S) -> str | None:  # noqa: ARG002 # nothing, unless overridden
        """What still needs the row, which is locked by now, as a sentence with the remedy."""
        return None

    async def _may_change(self, work: UnitOfWork, writer: Writer, state: S) -> bool:
        return writer.is_admin or await self.is_run_by(work, writer, state)

    async def _expected(self, work: UnitOfWork, writer: Writer, key: Key, match: Tags) -> Stored[S]:
        before = await self._rows.get(work.session, key)
        if before is None or before.deleted or not await self._may_change(work, writer, before.state):
            raise is_not_there(self._kind, key)
        if not match.match_strongly(before.version):
            raise is_stale(self._kind)
        return before

    async def _check(self, work: UnitOfWork, writer: Writer, state: S, before: S | None = None) -> None:
        violations = list(state.violations())
        if before is not None:
            violations += before.identity_violations(state)
            violations += () if writer.is_admin else before.reserved_violations(state, self.reserved)
        violations += await self.references(work, writer, state, before)
        if violations:
            raise breaks_rules(violations)

    async def _advance(self, work: UnitOfWork, before: Stored[S], after: S, deleted_at: datetime | None = None) -> bool:
        try:
            return await self._rows.advance(work.session, before, after, deleted_at)
        except IntegrityError as error:
            raise is_taken(self._kind, after.key) from error

    async def _emit(self, work: UnitOfWork, key: Key, action: Action) -> Written[E]:
        written = await record_row(work, self._kind, key, action)
        if written.deleted:
            return written
        try:
            refine(written.entity)
        except UnrefinableError as error:
            raise breaks_rules(
                [Violation(error.field, error.reason, "Correct it; nobody could be shown this.")]
            ) from error
        return written

    async def _written(self, work: UnitOfWork, key: Key) -> Written[E]:
        return self._kind.written(await first(work.session, by_keys(self._kind), [key]))
