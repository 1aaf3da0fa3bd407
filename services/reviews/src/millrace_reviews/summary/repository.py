"""Reads and writes rating summaries in the database."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import ReadSession, Session
from millrace_reviews.review.repository import PUBLISHED
from millrace_reviews.schema import review, summary
from millrace_reviews.summary.model import Averages, Totals


@dataclass(frozen=True, slots=True)
class PublishedSummary:
    """Last published summary of a provider; version 0 if none was published."""

    npi: str
    version: int
    averages: Averages


async def get_for_update(session: Session, npi: str) -> PublishedSummary:
    """Return the last published summary and lock its row; insert one with version 0 if there is none."""
    first = insert(summary).values(npi=npi, version=0, **asdict(Averages(0)))
    await session.execute(first.on_conflict_do_nothing())
    row = (await session.execute(select(summary).where(summary.c.npi == npi).with_for_update())).one()
    return _to_summary(row)


async def compute_totals(session: ReadSession, npi: str) -> Totals:
    """Return the number and the star sums of the provider's published reviews."""
    stars = (review.c.overall, review.c.bedside_manner, review.c.wait_time)
    sums = (func.coalesce(func.sum(column), 0) for column in stars)
    query = select(func.count(), *sums).select_from(review).where(review.c.npi == npi, PUBLISHED)
    count, overall, bedside_manner, wait_time = (await session.execute(query)).one()
    return Totals(count, int(overall), int(bedside_manner), int(wait_time))


async def save(session: Session, published: PublishedSummary) -> None:
    """Store a published summary. The caller must have locked its row."""
    statement = update(summary).where(summary.c.npi == published.npi)
    await session.execute(statement.values(version=published.version, **asdict(published.averages)))


async def list_after(session: ReadSession, after: str | None, limit: int) -> Sequence[PublishedSummary]:
    """Return up to `limit` published summaries with NPIs above `after`, sorted by NPI; None starts at the first one."""
    query = select(summary).where(summary.c.version > 0, summary.c.npi > (after or ""))
    rows = await session.execute(query.order_by(summary.c.npi).limit(limit))
    return [_to_summary(row) for row in rows]


def _to_summary(row: Row[*tuple[Any, ...]]) -> PublishedSummary:
    # `row.count` is a method.
    count = row._mapping["count"]
    return PublishedSummary(row.npi, row.version, Averages(count, row.overall, row.bedside_manner, row.wait_time))
