"""Publishes the rating summaries of providers."""

from collections.abc import Sequence
from dataclasses import dataclass

from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_reviews.summary import repository
from millrace_reviews.summary.model import Prior, compute_averages
from millrace_reviews.summary.repository import PublishedSummary
from millrace_reviews.summary.wire import summary_event

PAGE_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class SummaryBatch:
    """Number of processed summaries. Pass `next`, an NPI, as `after` to continue; null at the end."""

    count: int
    next: str | None


@dataclass(frozen=True, slots=True)
class Summaries:
    """Computes the rating summaries of providers and publishes those that changed."""

    units: UnitsOfWork
    prior: Prior

    async def refresh(self, work: UnitOfWork, npi: str) -> None:
        """Recompute a provider's summary and publish it if it changed; call this after writing reviews in `work`.

        The summary's row is locked before counting, so the count includes all committed reviews.
        """
        before = await repository.get_for_update(work.session, npi)
        now = compute_averages(await repository.compute_totals(work.session, npi), self.prior)
        if now == before.averages:
            return
        after = PublishedSummary(npi, before.version + 1, now)
        await repository.save(work.session, after)
        work.record(summary_event(npi, after.version, now, "created" if before.averages.count == 0 else "updated"))

    async def publish_replay(self, after: str | None) -> SummaryBatch:
        """Publish up to `PAGE_SIZE` summaries with NPIs above `after` again, unchanged, marked as a replay."""
        async with self.units.begin() as work:
            found = await repository.list_after(work.session, after, PAGE_SIZE)
            events = [summary_event(each.npi, each.version, each.averages) for each in found]
            await work.publish_replay(events)
        return _to_batch(found)

    async def recompute(self, after: str | None) -> SummaryBatch:
        """Recompute up to `PAGE_SIZE` summaries with NPIs above `after`, and publish those that changed."""
        async with self.units.database.read() as session:
            found = await repository.list_after(session, after, PAGE_SIZE)
        for each in found:
            async with self.units.begin() as work:
                await self.refresh(work, each.npi)
        return _to_batch(found)


def _to_batch(found: Sequence[PublishedSummary]) -> SummaryBatch:
    return SummaryBatch(len(found), found[-1].npi if len(found) == PAGE_SIZE else None)
