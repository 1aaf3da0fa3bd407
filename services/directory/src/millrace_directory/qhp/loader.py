"""Imports insurance plans and their providers from QHP files into the directory."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from asyncpg import Connection

from millrace_directory.bulk_import.errors import ImportFailedError, UnusableFileError
from millrace_directory.bulk_import.progress import ImportProgress
from millrace_directory.bulk_import.publisher import EventPublisher
from millrace_directory.bulk_import.rejects import (
    Reject,
    RejectedRowError,
    RejectsFile,
    check_rejects_path,
    rejects_path,
)
from millrace_directory.bulk_import.session import ImportSession, import_session
from millrace_directory.bulk_import.stats import INDIVIDUALS, ORGANIZATIONS, PLANS, ImportStats
from millrace_directory.bulk_import.writer import RowWriter
from millrace_directory.feed import Change
from millrace_directory.insurance_plan.repository import INSURANCE_PLANS
from millrace_directory.model import Action
from millrace_directory.qhp import statements
from millrace_directory.qhp.chunks import QhpChunk, chunks_of, read_element, reject_of
from millrace_directory.qhp.json_array import JsonArray
from millrace_directory.qhp.records import PlanRow, looks_like_plan, looks_like_provider, merge_plans, read_plan
from millrace_directory.qhp.writer import ChunkResult, QhpWriter
from millrace_feeds.clock import Clock, utc_now
from millrace_platform.ids import EventIds

MAX_PLANS = 200_000
CHECKED_RECORDS = 100
"""Number of records at the beginning of a file that show its kind."""


@dataclass(frozen=True, slots=True)
class QhpImport:
    """Parameters of a QHP import. `issuers` are names by number; an issuer without one is named by its number."""

    database_url: str
    providers: Path
    plans: Path
    rejects: Path | None
    clock: Clock
    ids: EventIds
    issuers: Mapping[str, str] = field(default_factory=dict)


async def import_qhp(parameters: QhpImport, progress: ImportProgress) -> ImportStats:
    """Import the files of plans and of providers; a second import changes only what differs.

    Raises `ImportFailedError` if it can't continue.
    """
    inputs = parameters.providers, parameters.plans
    listed = rejects_path(parameters.rejects, parameters.providers)
    check_rejects_path(listed, inputs)
    await asyncio.to_thread(check_kinds, *inputs)
    stats = ImportStats(rejects=listed)
    plans, rejects = await asyncio.to_thread(_read_plans, parameters.plans, parameters.issuers)
    async with import_session(parameters.database_url, parameters.clock, parameters.ids) as session:
        await session.connection.execute(statements.STAGING)
        progress.show_start(0)
        try:
            with RejectsFile(listed) as file:
                loader = _Loader(parameters, session, file, stats, sorted(plans))
                await loader.load_plans(list(plans.values()), rejects)
                records = JsonArray(parameters.providers)
                chunks = chunks_of(records)
                while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                    await loader.load_providers(chunk)
                    progress.show_position(records.consumed, stats)
        except ImportFailedError as error:
            error.stats = stats
            raise
    return stats


def check_kinds(providers: Path, plans: Path) -> None:
    """Raise `UnusableFileError` if the first records show that a file is of the other kind, or if one can't be read."""
    has_plans = _has_only(providers, looks_like_plan, looks_like_provider)
    if _has_only(plans, looks_like_provider, looks_like_plan):
        fault = f"{plans} contains providers" + (f", and {providers} contains plans" if has_plans else "")
    elif has_plans:
        fault = f"{providers} contains plans"
    else:
        return
    raise UnusableFileError(f"{fault}. Give the file of providers first, then the file of plans.")


def _has_only(path: Path, wrong: Callable[[object], bool], right: Callable[[object], bool]) -> bool:
    """Return whether among the first records some are of the `wrong` kind and none of the `right` one."""
    first: list[object] = []
    try:
        for element in islice(JsonArray(path), CHECKED_RECORDS):
            first.append(element.value)  # keeps the records before a damage
    except UnusableFileError:
        if not first:
            raise
    return any(map(wrong, first)) and not any(map(right, first))


def _read_plans(path: Path, issuers: Mapping[str, str]) -> tuple[dict[str, PlanRow], list[Reject]]:
    plans: dict[str, PlanRow] = {}
    rejects = []
    elements = JsonArray(path)
    for element in elements:
        try:
            plan = read_element(element, read_plan)
            known = plans.get(plan.id)
            if known is None and len(plans) == MAX_PLANS:
                raise RejectedRowError(f"more than {MAX_PLANS:,} plans")
        except RejectedRowError as error:
            rejects.append(reject_of(error, elements.name, element))
        else:
            merged = plan if known is None else merge_plans(known, plan)
            name = None if merged.issuer is None else issuers.get(merged.issuer, merged.issuer)
            plans[plan.id] = merged._replace(issuer=name)
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
        await self._count(publisher, rejects, [])

    async def load_providers(self, chunk: QhpChunk) -> None:
        results: list[ChunkResult] = []

        async def batch(connection: Connection, publisher: EventPublisher) -> None:
            row_writer = RowWriter(connection, publisher, utc_now(self.parameters.clock))
            writer = QhpWriter(connection, publisher, row_writer, self.plan_ids)
            results[:] = [await writer.write(chunk)]

        publisher = await self.session.run("import qhp chunk", batch)
        result = results[0]
        self.stats.used += Counter({INDIVIDUALS: result.individuals, ORGANIZATIONS: result.facilities})
        await self._count(publisher, [*chunk.rejects, *result.rejects], [*chunk.warnings, *result.warnings])

    async def _count(self, publisher: EventPublisher, rejects: Sequence[Reject], warnings: Sequence[Reject]) -> None:
        await asyncio.to_thread(self.rejects.write, [*rejects, *warnings])
        self.stats.events += publisher.published
        self.stats.rejected.update(each.reason for each in rejects)
        self.stats.warnings.update(each.reason for each in warnings)
