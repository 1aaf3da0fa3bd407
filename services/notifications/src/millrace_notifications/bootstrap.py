"""The composition root: the only place that wires the notifications service."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from random import Random, SystemRandom

from fastapi import FastAPI

from millrace_feeds.clock import Clock
from millrace_feeds.consumer import Consumer
from millrace_notifications.account_mail.forwarder import AccountMails
from millrace_notifications.delivery.dispatcher import Dispatcher
from millrace_notifications.delivery.fan_out import FanOut
from millrace_notifications.delivery.service import DeliveryService
from millrace_notifications.dependencies import Notifications
from millrace_notifications.endpoint.service import EndpointService
from millrace_notifications.feed.handler import FeedHandler, is_away
from millrace_notifications.feed.visits import Visits
from millrace_notifications.figures import Figures
from millrace_notifications.keys import open_secrets
from millrace_notifications.mail.memory import RecentMails
from millrace_notifications.mail.model import Mailer
from millrace_notifications.mail.pace import Pace
from millrace_notifications.mail.ses import open_ses
from millrace_notifications.network.client import Poster, open_poster
from millrace_notifications.patients_client import PatientsClient, open_patients
from millrace_notifications.settings import NotificationsSettings
from millrace_notifications.sweep import Sweep
from millrace_notifications.timer.sender import LetterSender
from millrace_notifications.timer.service import Timers
from millrace_notifications.worker import Worker
from millrace_platform.application import Running
from millrace_platform.database import Database
from millrace_platform.ids import Ids
from millrace_platform.persistence import open_service_database
from millrace_platform.service import Infrastructure, Subscription, aws_settings

APPLICATION = "notifications"
READS_PER_SECOND = 0.5
"""Of each shard of `entities`; see decision 0016."""

OpenMailer = Callable[[NotificationsSettings], AbstractAsyncContextManager[Mailer]]


def open_ses_mailer(settings: NotificationsSettings) -> AbstractAsyncContextManager[Mailer]:
    """Open a mailer that sends with Amazon SES."""
    return open_ses(settings.notifications_sender, settings.notifications_configuration_set, aws_settings(settings))


@dataclass(frozen=True, slots=True)
class Parts:
    """What the rest is made of."""

    settings: NotificationsSettings
    database: Database
    clock: Clock
    ids: Ids
    random: Random
    figures: Figures


async def start(
    settings: NotificationsSettings,
    infrastructure: Infrastructure,
    open_mailer: OpenMailer,
    app: FastAPI,
    stack: AsyncExitStack,
) -> Running:
    """Open the stores, wire the services, and name tasks and checks."""
    clock = infrastructure.clock
    database = await stack.enter_async_context(
        open_service_database(settings, settings.notifications_database_url, name=APPLICATION)
    )
    parts = Parts(settings, database, clock, infrastructure.ids, SystemRandom(), Figures())
    app.state.verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, clock))
    patients = await stack.enter_async_context(open_patients(settings.patients_url))
    mailer = await stack.enter_async_context(open_mailer(settings))
    # Where mails aren't shown, none is held in memory.
    recent = RecentMails(mailer) if settings.notifications_show_mails else None
    poster = await stack.enter_async_context(_poster(settings))
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.notifications_leases_table, READS_PER_SECOND, is_away
    )
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, _handler(parts)))
    letters, dispatcher = _letters(parts, patients, recent or mailer), _dispatcher(parts, poster)
    app.state.notifications = _notifications(parts, consumer, recent)
    return Running(
        tasks={
            "consumer": consumer.run,
            "letters": Worker("letters", letters.claim, letters.send, settings.notifications_mails_at_once).run,
            "deliveries": Worker(
                "deliveries", dispatcher.claim, dispatcher.deliver, settings.notifications_webhooks_at_once
            ).run,
            "account-mails": _account_mails(parts, patients, recent or mailer).run,
            "sweep": Sweep(database, clock).run,
        },
        checks={"database": database.check, "entities": consumer.check},
    )


def _poster(settings: NotificationsSettings) -> AbstractAsyncContextManager[Poster]:
    return open_poster(
        seconds=settings.notifications_webhook_timeout,
        at_once=settings.notifications_webhooks_at_once,
        loopback=settings.notifications_webhook_loopback,
    )


def _handler(parts: Parts) -> FeedHandler:
    timers = Timers(parts.clock, parts.ids)
    visits = Visits(timers, FanOut(parts.ids), parts.clock)
    return FeedHandler(parts.database, visits, timers, parts.clock)


def _letters(parts: Parts, patients: PatientsClient, mailer: Mailer) -> LetterSender:
    return LetterSender(
        database=parts.database,
        contacts=patients,
        mailer=mailer,
        pace=Pace(parts.settings.notifications_mails_per_second, parts.clock),
        url=parts.settings.notifications_public_url,
        clock=parts.clock,
        ids=parts.ids,
        random=parts.random,
        figures=parts.figures,
    )


def _account_mails(parts: Parts, patients: PatientsClient, mailer: Mailer) -> AccountMails:
    return AccountMails(
        database=parts.database,
        outbox=patients,
        mailer=mailer,
        url=parts.settings.notifications_public_url,
        interval=parts.settings.notifications_mail_poll,
        clock=parts.clock,
        ids=parts.ids,
        random=parts.random,
        figures=parts.figures,
    )


def _dispatcher(parts: Parts, poster: Poster) -> Dispatcher:
    return Dispatcher(
        database=parts.database,
        poster=poster,
        secrets=open_secrets(parts.settings),
        loopback=parts.settings.notifications_webhook_loopback,
        clock=parts.clock,
        ids=parts.ids,
        random=parts.random,
        figures=parts.figures,
    )


def _notifications(parts: Parts, consumer: Consumer, recent: RecentMails | None) -> Notifications:
    settings = parts.settings
    return Notifications(
        endpoints=EndpointService(
            parts.database,
            open_secrets(settings),
            settings.notifications_webhook_loopback,
            parts.clock,
            parts.ids,
        ),
        deliveries=DeliveryService(parts.database, parts.clock, parts.ids),
        database=parts.database,
        clock=parts.clock,
        figures=parts.figures,
        consumer=consumer.status,
        recent=recent,
    )
