"""Telling the feed what the reviews of a provider come to."""

from collections.abc import Sequence
from dataclasses import dataclass

from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_reviews.summary import repository
from millrace_reviews.summary.model import Prior, averages
from millrace_reviews.summary.repository import Told
from millrace_reviews.summary.wire import summary_event

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Page:
    """How many summaries were looked at; `next`, unless None, goes on behind them."""

    count: int
    next: str | None


@dataclass(frozen=True, slots=True)
class Summaries:
    """Keeps each provider's summary in step with the reviews."""

    units: UnitsOfWork
    prior: Prior

    async def refresh(self, work: UnitOfWork, npi: str) -> None:
        """Count again and tell of it, if it differs from what was told. The reviews were written in `work` before.

        The summary's row is locked before the count: whoever waited for it counts what the others committed.
        """
        before = await repository.hold(work.session, npi)
        now = averages(await repository.totals_of(work.session, npi), self.prior)
        if now == before.averages:
            return
        after = Told(npi, before.version + 1, now)
        await repository.put(work.session, after)
        work.record(summary_event(npi, after.version, now, "created" if before.averages.count == 0 else "updated"))

    async def replay(self, after: str | None) -> Page:
        """Tell again what was told, under the same versions, marked as a replay."""
        async with self.units.begin() as work:
            found = await repository.behind(work.session, after, PAGE)
            events = [summary_event(each.npi, each.version, each.averages) for each in found]
            await work.publish_replay(events)
        return _page(found)

    async def recompute(self, after: str | None) -> Page:
        """Count again and tell what differs: what a changed prior asks for."""
        async with self.units.database.read() as session:
            found = await repository.behind(session, after, PAGE)
        for each in found:
            async with self.units.begin() as work:
                await self.refresh(work, each.npi)
        return _page(found)


def _page(found: Sequence[Told]) -> Page:
    return Page(len(found), found[-1].npi if len(found) == PAGE else None)
