"""The composition root: the only place that wires the notifications service."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from random import SystemRandom

from fastapi import FastAPI

from millrace_feeds.handler import CompositeHandler
from millrace_notifications.account_email.forwarder import AccountEmailForwarder
from millrace_notifications.delivery.dispatcher import PER_PROMPT_ENDPOINT, PER_SLOW_ENDPOINT, Dispatcher
from millrace_notifications.delivery.fan_out import FanOut
from millrace_notifications.delivery.model import Shares
from millrace_notifications.delivery.service import DeliveryService
from millrace_notifications.dependencies import Notifications
from millrace_notifications.email.memory import RecentEmails
from millrace_notifications.email.model import Mailer
from millrace_notifications.email.ses import open_ses
from millrace_notifications.email.token_bucket import TokenBucket
from millrace_notifications.endpoint.service import EndpointService
from millrace_notifications.feed.appointments import AppointmentUpdater
from millrace_notifications.feed.handler import FeedHandler, is_retryable
from millrace_notifications.feed.provider_locations import ProviderLocationUpdater
from millrace_notifications.keys import load_secrets
from millrace_notifications.network.client import open_poster
from millrace_notifications.patients_client import open_patients
from millrace_notifications.scheduled_email.sender import EmailSender
from millrace_notifications.scheduled_email.service import EmailScheduler
from millrace_notifications.settings import NotificationsSettings
from millrace_notifications.stats import Stats
from millrace_notifications.sweep import Sweep
from millrace_notifications.worker import Worker
from millrace_platform.application import ServiceRuntime
from millrace_platform.persistence import open_service_database
from millrace_platform.revocation import RevocationHandler, Revocations, RevocationVerifier
from millrace_platform.service import Infrastructure, Subscription, aws_settings
from millrace_platform.service_tokens import ServiceTokenSigner

APPLICATION = "notifications"
READS_PER_SECOND = 0.5
"""Reads per second of each shard of `entities`; see decision 0016."""

OpenMailer = Callable[[NotificationsSettings], AbstractAsyncContextManager[Mailer]]


def open_ses_mailer(settings: NotificationsSettings) -> AbstractAsyncContextManager[Mailer]:
    """Open a mailer that sends with Amazon SES."""
    return open_ses(settings.notifications_sender, settings.notifications_configuration_set, aws_settings(settings))


async def start(
    settings: NotificationsSettings,
    infrastructure: Infrastructure,
    open_mailer: OpenMailer,
    app: FastAPI,
    stack: AsyncExitStack,
) -> ServiceRuntime:
    """Open the database, clients and feeds, wire the services, and name tasks and checks."""
    clock, ids, random, stats = infrastructure.clock, infrastructure.ids, SystemRandom(), Stats()
    secrets, loopback = load_secrets(settings), settings.notifications_webhook_loopback
    database = await stack.enter_async_context(
        open_service_database(settings, settings.notifications_database_url, name=APPLICATION)
    )
    verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, clock))
    revocations = Revocations(database, clock)
    app.state.verifier = RevocationVerifier(verifier, revocations)
    key = settings.notifications_patients_keys[0].get_secret_value()
    tokens = ServiceTokenSigner(APPLICATION, "patients", key, clock)
    patients = await stack.enter_async_context(open_patients(settings.patients_url, settings.service_context(), tokens))
    mailer = await stack.enter_async_context(open_mailer(settings))
    # Emails are personal data, so they are stored in memory only if they may be shown.
    recent_emails = RecentEmails(mailer, clock) if settings.notifications_show_mails else None
    mailer = recent_emails or mailer
    prompt_at_once, slow_at_once = settings.notifications_webhooks_at_once, settings.notifications_slow_webhooks_at_once
    scheduler, fan_out = EmailScheduler(clock, ids), FanOut(ids)
    feed_handler = FeedHandler(
        database,
        AppointmentUpdater(scheduler, fan_out, clock),
        ProviderLocationUpdater(fan_out, clock),
        scheduler,
        clock,
    )
    handler = CompositeHandler((feed_handler, RevocationHandler(database, clock)))
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.notifications_leases_table, READS_PER_SECOND, is_retryable
    )
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, handler))
    url, interval = settings.public_url, settings.notifications_mail_poll
    rate_limit = TokenBucket(settings.notifications_mails_per_second, clock)
    sender = EmailSender(database, patients, mailer, rate_limit, url, clock, ids, random, stats)
    forwarder = AccountEmailForwarder(database, patients, mailer, url, interval, clock, ids, random, stats)

    async def open_dispatcher(concurrency: int, per_endpoint: int, *, prompt: bool) -> Dispatcher:
        poster = await stack.enter_async_context(
            open_poster(seconds=settings.notifications_webhook_timeout, concurrency=concurrency, loopback=loopback)
        )
        shares = Shares.of(concurrency, per_endpoint)
        return Dispatcher(prompt, shares, database, poster, secrets, loopback, clock, ids, random, stats)

    prompt_deliveries = await open_dispatcher(prompt_at_once, PER_PROMPT_ENDPOINT, prompt=True)
    slow_deliveries = await open_dispatcher(slow_at_once, PER_SLOW_ENDPOINT, prompt=False)
    app.state.notifications = Notifications(
        endpoints=EndpointService(database, secrets, loopback, clock, ids),
        deliveries=DeliveryService(database, clock, ids),
        database=database,
        clock=clock,
        stats=stats,
        consumer=consumer.status,
        recent_emails=recent_emails,
    )
    return ServiceRuntime(
        tasks={
            "consumer": consumer.run,
            "revocations": revocations.run,
            "emails": Worker("emails", sender.lease_due, sender.send, settings.notifications_mails_at_once).run,
            "deliveries": Worker(
                "deliveries", prompt_deliveries.lease_due, prompt_deliveries.deliver, prompt_at_once
            ).run,
            "slow-deliveries": Worker(
                "slow-deliveries", slow_deliveries.lease_due, slow_deliveries.deliver, slow_at_once
            ).run,
            "account-emails": forwarder.run,
            "sweep": Sweep(database, clock).run,
        },
        checks={"database": database.check, "entities": consumer.check},
    )
