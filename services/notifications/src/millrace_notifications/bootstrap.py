"""The composition root: the only place that wires the notifications service."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from random import Random, SystemRandom

from fastapi import FastAPI

from millrace_feeds.clock import Clock
from millrace_feeds.consumer import Consumer
from millrace_notifications.account_email.forwarder import AccountEmailForwarder
from millrace_notifications.delivery.dispatcher import Dispatcher
from millrace_notifications.delivery.fan_out import FanOut
from millrace_notifications.delivery.service import DeliveryService
from millrace_notifications.dependencies import Notifications
from millrace_notifications.email.memory import RecentEmails
from millrace_notifications.email.model import Mailer
from millrace_notifications.email.ses import open_ses
from millrace_notifications.email.token_bucket import TokenBucket
from millrace_notifications.endpoint.service import EndpointService
from millrace_notifications.feed.appointments import AppointmentUpdater
from millrace_notifications.feed.handler import FeedHandler, is_retryable
from millrace_notifications.keys import load_secrets
from millrace_notifications.network.client import Poster, open_poster
from millrace_notifications.patients_client import PatientsClient, open_patients
from millrace_notifications.settings import NotificationsSettings
from millrace_notifications.stats import Stats
from millrace_notifications.sweep import Sweep
from millrace_notifications.timer.sender import EmailSender
from millrace_notifications.timer.service import TimerService
from millrace_notifications.worker import Worker
from millrace_platform.application import ServiceRuntime
from millrace_platform.database import Database
from millrace_platform.ids import Ids
from millrace_platform.persistence import open_service_database
from millrace_platform.service import Infrastructure, Subscription, aws_settings

APPLICATION = "notifications"
READS_PER_SECOND = 0.5
"""Reads per second of each shard of `entities`; see decision 0016."""

OpenMailer = Callable[[NotificationsSettings], AbstractAsyncContextManager[Mailer]]


def open_ses_mailer(settings: NotificationsSettings) -> AbstractAsyncContextManager[Mailer]:
    """Open a mailer that sends with Amazon SES."""
    return open_ses(settings.notifications_sender, settings.notifications_configuration_set, aws_settings(settings))


@dataclass(frozen=True, slots=True)
class Parts:
    """Dependencies that several functions of the composition root share."""

    settings: NotificationsSettings
    database: Database
    clock: Clock
    ids: Ids
    random: Random
    stats: Stats


async def start(
    settings: NotificationsSettings,
    infrastructure: Infrastructure,
    open_mailer: OpenMailer,
    app: FastAPI,
    stack: AsyncExitStack,
) -> ServiceRuntime:
    """Open the database, clients and feeds, wire the services, and name tasks and checks."""
    clock = infrastructure.clock
    database = await stack.enter_async_context(
        open_service_database(settings, settings.notifications_database_url, name=APPLICATION)
    )
    parts = Parts(settings, database, clock, infrastructure.ids, SystemRandom(), Stats())
    app.state.verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, clock))
    patients = await stack.enter_async_context(open_patients(settings.patients_url))
    mailer = await stack.enter_async_context(open_mailer(settings))
    # Emails are personal data, so they are stored in memory only if they may be shown.
    recent_emails = RecentEmails(mailer) if settings.notifications_show_mails else None
    poster = await stack.enter_async_context(_poster(settings))
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.notifications_leases_table, READS_PER_SECOND, is_retryable
    )
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, _handler(parts)))
    sender, dispatcher = _sender(parts, patients, recent_emails or mailer), _dispatcher(parts, poster)
    app.state.notifications = _notifications(parts, consumer, recent_emails)
    return ServiceRuntime(
        tasks={
            "consumer": consumer.run,
            "emails": Worker("emails", sender.lease_due, sender.send, settings.notifications_mails_at_once).run,
            "deliveries": Worker(
                "deliveries", dispatcher.lease_due, dispatcher.deliver, settings.notifications_webhooks_at_once
            ).run,
            "account-emails": _forwarder(parts, patients, recent_emails or mailer).run,
            "sweep": Sweep(database, clock).run,
        },
        checks={"database": database.check, "entities": consumer.check},
    )


def _poster(settings: NotificationsSettings) -> AbstractAsyncContextManager[Poster]:
    return open_poster(
        seconds=settings.notifications_webhook_timeout,
        concurrency=settings.notifications_webhooks_at_once,
        loopback=settings.notifications_webhook_loopback,
    )


def _handler(parts: Parts) -> FeedHandler:
    timers = TimerService(parts.clock, parts.ids)
    appointments = AppointmentUpdater(timers, FanOut(parts.ids), parts.clock)
    return FeedHandler(parts.database, appointments, timers, parts.clock)


def _sender(parts: Parts, patients: PatientsClient, mailer: Mailer) -> EmailSender:
    return EmailSender(
        database=parts.database,
        contacts=patients,
        mailer=mailer,
        rate_limit=TokenBucket(parts.settings.notifications_mails_per_second, parts.clock),
        url=parts.settings.notifications_public_url,
        clock=parts.clock,
        ids=parts.ids,
        random=parts.random,
        stats=parts.stats,
    )


def _forwarder(parts: Parts, patients: PatientsClient, mailer: Mailer) -> AccountEmailForwarder:
    return AccountEmailForwarder(
        database=parts.database,
        queue=patients,
        mailer=mailer,
        url=parts.settings.notifications_public_url,
        interval=parts.settings.notifications_mail_poll,
        clock=parts.clock,
        ids=parts.ids,
        random=parts.random,
        stats=parts.stats,
    )


def _dispatcher(parts: Parts, poster: Poster) -> Dispatcher:
    return Dispatcher(
        database=parts.database,
        poster=poster,
        secrets=load_secrets(parts.settings),
        loopback=parts.settings.notifications_webhook_loopback,
        clock=parts.clock,
        ids=parts.ids,
        random=parts.random,
        stats=parts.stats,
    )


def _notifications(parts: Parts, consumer: Consumer, recent_emails: RecentEmails | None) -> Notifications:
    settings = parts.settings
    return Notifications(
        endpoints=EndpointService(
            parts.database,
            load_secrets(settings),
            settings.notifications_webhook_loopback,
            parts.clock,
            parts.ids,
        ),
        deliveries=DeliveryService(parts.database, parts.clock, parts.ids),
        database=parts.database,
        clock=parts.clock,
        stats=parts.stats,
        consumer=consumer.status,
        recent_emails=recent_emails,
    )
