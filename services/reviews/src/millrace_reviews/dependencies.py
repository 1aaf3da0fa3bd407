"""Dependencies of endpoints."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_feeds.consumer import Consumer
from millrace_feeds.relay import Relay
from millrace_platform.database import Database
from millrace_reviews.moderation.service import Moderation
from millrace_reviews.reply.service import Replies
from millrace_reviews.review.service import Reviews
from millrace_reviews.summary.service import Summaries


@dataclass(frozen=True, slots=True)
class App:
    """Services of reviews."""

    reviews: Reviews
    replies: Replies
    moderation: Moderation
    summaries: Summaries
    database: Database
    relay: Relay
    consumer: Consumer


async def _app(request: Request) -> App:
    app: App = request.app.state.reviews
    return app


InApp: TypeAlias = Annotated[App, Depends(_app)]
"""Endpoint parameter that resolves to the services."""
