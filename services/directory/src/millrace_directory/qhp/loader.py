"""Imports insurance plans and their providers from QHP files into the directory."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asyncpg import Connection

from millrace_directory.bulk_import.progress import ImportProgress
from millrace_directory.bulk_import.publisher import EventPublisher
from millrace_directory.bulk_import.rejects import Reject, RejectedRowError, RejectsFile
from millrace_directory.bulk_import.session import ImportSession, import_session
from millrace_directory.bulk_import.stats import INDIVIDUALS, ORGANIZATIONS, PLANS, ImportStats
from millrace_directory.bulk_import.writer import RowWriter
from millrace_directory.feed import Change
from millrace_directory.insurance_plan.repository import INSURANCE_PLANS
from millrace_directory.model import Action
from millrace_directory.qhp import statements
from millrace_directory.qhp.chunks import QhpChunk, chunks_of
from millrace_directory.qhp.json_array import JsonArray
from millrace_directory.qhp.records import PlanRow, read_plan
from millrace_directory.qhp.writer import ChunkResult, QhpWriter
from millrace_feeds.clock import Clock, utc_now
from millrace_platform.ids import EventIds

MAX_PLANS = 200_000


@dataclass(frozen=True, slots=True)
class QhpImport:
    """Parameters of a QHP import."""

    database_url: str
    providers: Path
    plans: Path
    rejects: Path | None
    clock: Clock
    ids: EventIds


async def import_qhp(parameters: QhpImport, progress: ImportProgress) -> ImportStats:
    """Import the files of plans and of providers; a second import changes only what differs.

    Raises `ImportFailedError` if it can't continue.
    """
    stats = ImportStats()
    plans, rejects = await asyncio.to_thread(_read_plans, parameters.plans)
    async with import_session(parameters.database_url, parameters.clock, parameters.ids) as session:
        await session.connection.execute(statements.STAGING)
        progress.show_start(0)
        with RejectsFile(parameters.rejects) as file:
            loader = _Loader(parameters, session, file, stats, sorted(plans))
            await loader.load_plans(list(plans.values()), rejects)
            records = JsonArray(parameters.providers)
            chunks = chunks_of(records)
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                await loader.load_providers(chunk)
                progress.show_position(records.consumed, stats)
    return stats


def _read_plans(path: Path) -> tuple[dict[str, PlanRow], list[Reject]]:
    plans: dict[str, PlanRow] = {}
    rejects = []
    for number, record in enumerate(JsonArray(path), 1):
        try:
            plan = read_plan(record)
            if len(plans) == MAX_PLANS:
                raise RejectedRowError(f"more than {MAX_PLANS:,} plans")
        except RejectedRowError as error:
            rejects.append(Reject(number, "", f"plan: {error}"))
        else:
            plans[plan.id] = plan
    return plans, rejects


@dataclass(frozen=True, slots=True)
class _Loader:
    parameters: QhpImport
    session: ImportSession
    rejects: RejectsFile
    stats: ImportStats
    plan_ids: Sequence[str]
    """Ids of all plans in the files."""

    async def load_plans(self, plans: Sequence[PlanRow], rejects: Sequence[Reject]) -> None:
        async def batch(connection: Connection, publisher: EventPublisher) -> None:
            await connection.copy_records_to_table("staged_insurance_plan", records=plans)
            rows = await connection.fetch(statements.WRITE_PLANS)
            for action, created in ((Action.CREATED, True), (Action.UPDATED, False)):
                keys = [row["id"] for row in rows if row["created"] is created]
                await publisher.publish(Change(INSURANCE_PLANS, keys, action))

        publisher = await self.session.run("import qhp plans", batch)
        self.stats.used[PLANS] += len(plans)
        self._count(publisher, rejects, [])

    async def load_providers(self, chunk: QhpChunk) -> None:
        results: list[ChunkResult] = []

        async def batch(connection: Connection, publisher: EventPublisher) -> None:
            row_writer = RowWriter(connection, publisher, utc_now(self.parameters.clock))
            writer = QhpWriter(connection, publisher, row_writer, self.plan_ids)
            results[:] = [await writer.write(chunk)]

        publisher = await self.session.run("import qhp chunk", batch)
        result = results[0]
        self.stats.used += Counter({INDIVIDUALS: result.individuals, ORGANIZATIONS: result.facilities})
        self._count(publisher, [*chunk.rejects, *result.rejects], [*chunk.warnings, *result.warnings])

    def _count(self, publisher: EventPublisher, rejects: Sequence[Reject], warnings: Sequence[str]) -> None:
        self.stats.events += publisher.published
        self.stats.rejected.update(each.reason for each in rejects)
        self.stats.warnings.update(warnings)
        self.rejects.write(rejects)
