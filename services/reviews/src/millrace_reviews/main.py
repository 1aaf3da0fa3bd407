"""The reviews service as an ASGI application."""

from functools import partial

from fastapi import FastAPI

from millrace_platform.application import create_app
from millrace_platform.service import Infrastructure
from millrace_reviews import bootstrap, internal
from millrace_reviews.moderation import endpoints as moderation
from millrace_reviews.reply import endpoints as replies
from millrace_reviews.review import endpoints as reviews
from millrace_reviews.settings import ReviewsSettings

# Moderation comes first, so that `/v1/reviews/moderation` is not parsed as a review's id.
MODULES = (moderation, reviews, replies, internal)


def create(settings: ReviewsSettings | None = None, infrastructure: Infrastructure | None = None) -> FastAPI:
    """Create the application; nothing is opened before its lifespan begins."""
    settings = settings or ReviewsSettings()
    infrastructure = infrastructure or Infrastructure.of(settings)
    return create_app(
        settings,
        name="reviews",
        title="Millrace reviews",
        routers=[module.router for module in MODULES],
        start=partial(bootstrap.start, settings, infrastructure),
        clock=infrastructure.clock,
    )
