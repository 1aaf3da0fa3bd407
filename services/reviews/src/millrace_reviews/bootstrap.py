"""The composition root: the only place that knows how the parts go together."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from fastapi import FastAPI

from millrace_feeds.assembly import ConsumerPlace, open_consumer, open_transport
from millrace_feeds.clock import Clock, SystemClock
from millrace_feeds.consumer import Consumer
from millrace_feeds.handler import Handler
from millrace_feeds.publisher import Publisher
from millrace_feeds.relay import Relay
from millrace_feeds.transport import Transport
from millrace_platform.application import Running
from millrace_platform.authentication import Verifier, open_verifier
from millrace_platform.database import open_database
from millrace_platform.ids import Ids, Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_reviews.dependencies import App
from millrace_reviews.feed import Follower, is_away
from millrace_reviews.moderation.service import Moderation
from millrace_reviews.patient.service import Patients
from millrace_reviews.provision import aws_settings
from millrace_reviews.reply.service import Replies
from millrace_reviews.review.service import Reviews
from millrace_reviews.settings import ReviewsSettings
from millrace_reviews.summary.model import Prior
from millrace_reviews.summary.service import Summaries
from millrace_reviews.summary.wire import SOURCE
from millrace_reviews.sweep import Sweep

APPLICATION = "reviews"
READS_PER_SECOND = 0.5
"""Of each shard of `entities`; see decision 0016."""


def _consumer(settings: ReviewsSettings, handler: Handler) -> AbstractAsyncContextManager[Consumer]:
    place = ConsumerPlace(
        application=APPLICATION,
        stream=settings.entities_stream,
        leases_table=settings.reviews_leases_table,
        dead_letters_table=settings.dead_letters_table,
        worker=settings.worker,
        reads_per_second=READS_PER_SECOND,
    )
    return open_consumer(place, handler, aws=aws_settings(settings), outage=is_away)


def _transport(settings: ReviewsSettings) -> AbstractAsyncContextManager[Transport]:
    return open_transport(aws_settings(settings))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the service lives on. The defaults are those of a deployment; tests bring feeds in memory, clock and ids.

    `event_ids` are ordered by time; `review_ids` tell no time, as everybody sees them.
    """

    clock: Clock
    event_ids: Ids
    review_ids: Ids = uuid4
    transport: Callable[[ReviewsSettings], AbstractAsyncContextManager[Transport]] = _transport
    consumer: Callable[[ReviewsSettings, Handler], AbstractAsyncContextManager[Consumer]] = _consumer
    verifier: Callable[[ReviewsSettings, Clock], AbstractAsyncContextManager[Verifier]] = open_verifier

    @classmethod
    def real(cls) -> "Surroundings":
        clock = SystemClock()
        return cls(clock, Uuid7(clock))


def starter(
    settings: ReviewsSettings, surroundings: Surroundings
) -> Callable[[FastAPI, AsyncExitStack], Awaitable[Running]]:
    """How the service starts: opens its database and its feeds, wires the parts, names tasks and checks."""

    async def start(app: FastAPI, stack: AsyncExitStack) -> Running:
        database = await stack.enter_async_context(
            open_database(
                settings.reviews_database_url,
                name=APPLICATION,
                pool_size=settings.database_pool_size,
                seconds=settings.database_timeout,
            )
        )
        units = UnitsOfWork(database, Envelopes(SOURCE, surroundings.clock, surroundings.event_ids))
        follower = Follower(units, Patients(units))
        consumer = await stack.enter_async_context(surroundings.consumer(settings, follower))
        transport = await stack.enter_async_context(surroundings.transport(settings))
        publisher = Publisher(transport=transport, stream=settings.changes_stream)
        relay = Relay(database_url=settings.reviews_database_url, publisher=publisher, clock=surroundings.clock)
        app.state.verifier = await stack.enter_async_context(surroundings.verifier(settings, surroundings.clock))
        app.state.reviews = wire(settings, surroundings, units, relay, consumer)
        sweep = Sweep(units, timedelta(seconds=settings.reviews_window))
        # Nothing is asked of the streams: while they are away, reviews are read and written all the same.
        return Running(
            tasks={"relay": relay.run, "consumer": consumer.run, "sweep": sweep.run},
            checks={"database": database.check},
        )

    return start


def wire(
    settings: ReviewsSettings, surroundings: Surroundings, units: UnitsOfWork, relay: Relay, consumer: Consumer
) -> App:
    summaries = Summaries(units, Prior(settings.reviews_prior_mean, settings.reviews_prior_weight))
    window = timedelta(seconds=settings.reviews_window)
    return App(
        reviews=Reviews(units, summaries, surroundings.review_ids, window),
        replies=Replies(units),
        moderation=Moderation(units, summaries),
        summaries=summaries,
        database=units.database,
        relay=relay,
        consumer=consumer,
    )
