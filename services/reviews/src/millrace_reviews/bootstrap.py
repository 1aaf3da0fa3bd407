"""The composition root: the only place that wires the reviews service."""

from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

from fastapi import FastAPI

from millrace_feeds.consumer import Consumer
from millrace_feeds.handler import CompositeHandler
from millrace_feeds.relay import Relay
from millrace_platform.application import ServiceRuntime
from millrace_platform.audit.anchors import AnchorWriter, open_anchors
from millrace_platform.audit.key import load_audit_key
from millrace_platform.audit.repository import AuditTrail
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.persistence import open_relay, open_service_database
from millrace_platform.revocation import RevocationHandler, Revocations, RevocationVerifier
from millrace_platform.service import Infrastructure, Subscription
from millrace_platform.unit_of_work import Envelopes
from millrace_reviews.dependencies import App
from millrace_reviews.feed import EntityHandler, is_outage
from millrace_reviews.moderation.service import Moderation
from millrace_reviews.patient.service import Patients
from millrace_reviews.reply.service import Replies
from millrace_reviews.review.service import Reviews
from millrace_reviews.settings import ReviewsSettings
from millrace_reviews.summary.model import Prior
from millrace_reviews.summary.service import Summaries
from millrace_reviews.summary.wire import SOURCE
from millrace_reviews.sweep import Sweep

APPLICATION = "reviews"
READS_PER_SECOND = 0.5
"""Read requests per second to each shard of the stream `entities`; Kinesis allows five in total (decision 0016)."""


async def start(
    settings: ReviewsSettings, infrastructure: Infrastructure, app: FastAPI, stack: AsyncExitStack
) -> ServiceRuntime:
    """Open the database and the feeds, wire the services, and register background tasks and health checks."""
    url, clock = settings.reviews_database_url, infrastructure.clock
    database = await stack.enter_async_context(open_service_database(settings, url, name=APPLICATION))
    trail = AuditTrail(load_audit_key(settings, APPLICATION))
    anchors = await stack.enter_async_context(open_anchors(settings, APPLICATION, infrastructure.ids))
    units = UnitsOfWork(database, Envelopes(SOURCE, clock, infrastructure.ids), trail)
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.reviews_leases_table, READS_PER_SECOND, is_outage
    )
    handler = CompositeHandler((EntityHandler(units, Patients(units)), RevocationHandler(database, clock)))
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, handler))
    relay = await stack.enter_async_context(open_relay(settings, infrastructure, url))
    verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, clock))
    revocations = Revocations(database, clock)
    app.state.verifier = RevocationVerifier(verifier, revocations)
    app.state.reviews = create_services(settings, units, relay, consumer)
    sweep = Sweep(units, timedelta(seconds=settings.reviews_window))
    # No health check of the streams: reviews can be read and written while they are unavailable.
    return ServiceRuntime(
        tasks={
            "relay": relay.run,
            "consumer": consumer.run,
            "revocations": revocations.run,
            "sweep": sweep.run,
            "anchors": AnchorWriter(database, anchors, settings.audit_anchors_interval, clock).run,
        },
        checks={"database": database.check},
    )


def create_services(settings: ReviewsSettings, units: UnitsOfWork, relay: Relay, consumer: Consumer) -> App:
    summaries = Summaries(units, Prior(settings.reviews_prior_mean, settings.reviews_prior_weight))
    window = timedelta(seconds=settings.reviews_window)
    return App(
        reviews=Reviews(units, summaries, uuid4, window),
        replies=Replies(units),
        moderation=Moderation(units, summaries),
        summaries=summaries,
        database=units.database,
        relay=relay,
        consumer=consumer,
    )
