"""Summaries in the database."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_reviews.review.repository import PUBLISHED
from millrace_reviews.review.tables import review
from millrace_reviews.summary.model import Averages, Totals
from millrace_reviews.summary.tables import summary


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of a provider last, under which version."""

    npi: str
    version: int
    averages: Averages


async def hold(session: Session, npi: str) -> Told:
    """What was told last; nobody else tells of this provider until the transaction ends."""
    first = insert(summary).values(npi=npi, version=0, **asdict(Averages(0)))
    await session.execute(first.on_conflict_do_nothing())
    row = (await session.execute(select(summary).where(summary.c.npi == npi).with_for_update())).one()
    return _told(row)


async def totals_of(session: ReadSession, npi: str) -> Totals:
    """Counted anew over the published reviews, which an index holds together."""
    stars = (review.c.overall, review.c.bedside_manner, review.c.wait_time)
    sums = (func.coalesce(func.sum(column), 0) for column in stars)
    query = select(func.count(), *sums).select_from(review).where(review.c.npi == npi, PUBLISHED)
    count, overall, bedside_manner, wait_time = (await session.execute(query)).one()
    return Totals(count, int(overall), int(bedside_manner), int(wait_time))


async def put(session: Session, told: Told) -> None:
    """Keep what is told now. The caller holds the summary."""
    kept = update(summary).where(summary.c.npi == told.npi)
    await session.execute(kept.values(version=told.version, **asdict(told.averages)))


async def behind(session: ReadSession, after: str | None, limit: int) -> Sequence[Told]:
    """Those that were told of, in the order of their NPIs."""
    query = select(summary).where(summary.c.version > 0, summary.c.npi > (after or ""))
    rows = await session.execute(query.order_by(summary.c.npi).limit(limit))
    return [_told(row) for row in rows]


def _told(row: Row[*tuple[Any, ...]]) -> Told:
    # A row has a method of that name.
    count = row._mapping["count"]
    return Told(row.npi, row.version, Averages(count, row.overall, row.bedside_manner, row.wait_time))
