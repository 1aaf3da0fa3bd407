"""Statistics for the internal status endpoint."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import DateTime, column, distinct, func, select, table

from millrace_feeds.outbox import OUTBOX_TABLE
from millrace_reviews.dependencies import App
from millrace_reviews.review.model import State
from millrace_reviews.schema import flag, review

_created = column("created_at", DateTime(timezone=True))
_OUTBOX = select(func.count(), func.extract("epoch", func.clock_timestamp() - func.min(_created)) * 1000).select_from(
    table(OUTBOX_TABLE, _created)
)
_STATES = select(review.c.state, func.count().label("number")).group_by(review.c.state)
_FLAGGED = select(func.count(distinct(flag.c.review_id)))


async def load_status(app: App) -> dict[str, Any]:
    """Return the number of reviews by state and of flagged ones, and the outbox, relay and consumer.

    The outbox is given as its number of rows and the age of the oldest in ms.
    """
    async with app.database.read() as session:
        states = {row.state: row.number for row in await session.execute(_STATES)}
        flagged = await session.scalar(_FLAGGED)
        backlog, oldest = (await session.execute(_OUTBOX)).one()
    return {
        "reviews": {**{state.value: states.get(state.value, 0) for state in State}, "flagged": flagged},
        "outbox": {"backlog": backlog, "oldest_age_ms": None if oldest is None else round(float(oldest), 1)},
        "relay": asdict(app.relay.status()),
        "consumer": asdict(app.consumer.status()),
    }
