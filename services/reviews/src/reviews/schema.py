"""All tables under one metadata, for migrations and their tests."""

from reviews.moderation.tables import decision, flag
from reviews.patient.tables import patient
from reviews.place.tables import place
from reviews.reply.tables import reply
from reviews.review.tables import review
from reviews.summary.tables import summary
from reviews.tables import metadata
from reviews.visit.tables import visit

__all__ = ["decision", "flag", "metadata", "patient", "place", "reply", "review", "summary", "visit"]
