"""Events of rating summaries on the change feed. They contain nothing about patients."""

from dataclasses import asdict

from millrace_contracts.entities import ReviewSummary
from millrace_contracts.registry import REVIEW_SUMMARY
from millrace_platform.unit_of_work import Action, Event
from millrace_reviews.summary.model import Averages

SOURCE = "/services/reviews"


def summary_event(npi: str, version: int, averages: Averages, action: Action = "updated") -> Event:
    """Return the event for a version of a summary: a deletion if the provider has no published reviews."""
    if averages.count == 0:
        return Event.of_deletion(REVIEW_SUMMARY, npi, version=version)
    entity = ReviewSummary(npi=npi, **asdict(averages))
    return Event.of_entity(REVIEW_SUMMARY, entity, action=action, version=version)
