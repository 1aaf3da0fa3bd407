"""All tables under one metadata, for migrations and their tests."""

from millrace_reviews.moderation.tables import decision, flag
from millrace_reviews.patient.tables import patient
from millrace_reviews.place.tables import place
from millrace_reviews.reply.tables import reply
from millrace_reviews.review.tables import review
from millrace_reviews.summary.tables import summary
from millrace_reviews.tables import metadata
from millrace_reviews.visit.tables import visit

__all__ = ["decision", "flag", "metadata", "patient", "place", "reply", "review", "summary", "visit"]
