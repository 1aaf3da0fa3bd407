"""Summaries as the feed carries them: numbers of a provider, nothing of whoever gave them."""

from millrace_contracts.entities import ReviewSummary
from millrace_contracts.registry import REVIEW_SUMMARY
from millrace_platform.unit_of_work import Action, Event
from millrace_reviews.summary.model import Averages

SOURCE = "/services/reviews"


def summary_event(npi: str, version: int, averages: Averages, action: Action = "updated") -> Event:
    """The summary's step to a version. A provider without published reviews has none: a deletion."""
    if averages.count == 0:
        return Event.of_deletion(REVIEW_SUMMARY, npi, version=version)
    entity = ReviewSummary(
        npi=npi,
        count=averages.count,
        overall=averages.overall,
        bedside_manner=averages.bedside_manner,
        wait_time=averages.wait_time,
    )
    return Event.of_entity(REVIEW_SUMMARY, entity, action=action, version=version)
