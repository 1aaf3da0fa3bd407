"""`millrace import qhp`: plans and who accepts them into the directory."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asyncpg import Connection

from millrace_directory.events import Action
from millrace_directory.feed import Change
from millrace_directory.importing import qhp_statements
from millrace_directory.importing.chunks import Reject
from millrace_directory.importing.events import Emitter
from millrace_directory.importing.figures import INDIVIDUALS, ORGANIZATIONS, PLANS, Figures
from millrace_directory.importing.json_array import JsonArray
from millrace_directory.importing.loading import Progress
from millrace_directory.importing.qhp import PlanRow, read_plan
from millrace_directory.importing.qhp_chunks import QhpChunk, chunks_of
from millrace_directory.importing.qhp_writing import Outcome, QhpWriter
from millrace_directory.importing.rejects import RejectsFile
from millrace_directory.importing.rows import Rejected
from millrace_directory.importing.session import ImportSession, import_session
from millrace_directory.importing.writing import Writer
from millrace_directory.insurance_plan.wire import INSURANCE_PLANS
from millrace_feeds.clock import Clock, utc_now
from millrace_platform.ids import EventIds

MOST_PLANS = 200_000


@dataclass(frozen=True, slots=True)
class QhpImport:
    """What to import, and where to."""

    database_url: str
    providers: Path
    plans: Path
    rejects: Path | None
    clock: Clock
    ids: EventIds


async def import_qhp(order: QhpImport, progress: Progress) -> Figures:
    """Import both files; running it again brings in only what differs. Raises `ImportFault`."""
    figures = Figures()
    plans, rejects = await asyncio.to_thread(_read_plans, order.plans)
    async with import_session(order.database_url, order.clock, order.ids) as session:
        await session.connection.execute(qhp_statements.STAGING)
        progress.begin(0)
        with RejectsFile(order.rejects) as file:
            load = _Load(order, session, file, figures, sorted(plans))
            await load.plans(list(plans.values()), rejects)
            records = JsonArray(order.providers)
            chunks = chunks_of(records)
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                await load.providers(chunk)
                progress.importing(records.consumed, figures)
    return figures


def _read_plans(path: Path) -> tuple[dict[str, PlanRow], list[Reject]]:
    plans: dict[str, PlanRow] = {}
    rejects = []
    for number, record in enumerate(JsonArray(path), 1):
        try:
            plan = read_plan(record)
            if len(plans) == MOST_PLANS:
                raise Rejected(f"more than {MOST_PLANS:,} plans")
        except Rejected as fault:
            rejects.append(Reject(number, "", f"plan: {fault}"))
        else:
            plans[plan.id] = plan
    return plans, rejects


@dataclass(frozen=True, slots=True)
class _Load:
    order: QhpImport
    session: ImportSession
    rejects: RejectsFile
    figures: Figures
    covered: Sequence[str]
    """The plans that the files speak for."""

    async def plans(self, plans: Sequence[PlanRow], rejects: Sequence[Reject]) -> None:
        async def batch(connection: Connection, emitter: Emitter) -> None:
            await connection.copy_records_to_table("staged_plan", records=plans)
            rows = await connection.fetch(qhp_statements.WRITE_PLANS)
            for action, created in ((Action.CREATED, True), (Action.UPDATED, False)):
                keys = [row["id"] for row in rows if row["created"] is created]
                await emitter.emit(Change(INSURANCE_PLANS, keys, action))

        emitter = await self.session.run("import qhp plans", batch)
        self.figures.used[PLANS] += len(plans)
        self._count(emitter, rejects, [])

    async def providers(self, chunk: QhpChunk) -> None:
        outcomes: list[Outcome] = []

        async def batch(connection: Connection, emitter: Emitter) -> None:
            now = utc_now(self.order.clock)
            writer = QhpWriter(connection, emitter, Writer(connection, emitter, now), self.covered)
            outcomes[:] = [await writer.write(chunk)]

        emitter = await self.session.run("import qhp chunk", batch)
        done = outcomes[0]
        self.figures.used += Counter({INDIVIDUALS: done.people, ORGANIZATIONS: done.facilities})
        self._count(emitter, [*chunk.rejects, *done.rejects], [*chunk.warnings, *done.warnings])

    def _count(self, emitter: Emitter, rejects: Sequence[Reject], warnings: Sequence[str]) -> None:
        self.figures.events += emitter.told
        self.figures.rejected.update(each.reason for each in rejects)
        self.figures.warnings.update(warnings)
        self.rejects.write(rejects)
