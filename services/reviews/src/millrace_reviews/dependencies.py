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
    """Objects that the endpoints use, created by `bootstrap`."""

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
"""Type of an endpoint parameter that FastAPI fills with the `App`."""
