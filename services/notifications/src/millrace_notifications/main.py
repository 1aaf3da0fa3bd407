"""The notifications service as an ASGI application."""

from fastapi import FastAPI

from millrace_feeds.clock import Clock, SystemClock
from millrace_notifications import internal
from millrace_notifications.bootstrap import Consumers, Mailers, open_feed, open_mailer, starter
from millrace_notifications.delivery import endpoints as deliveries
from millrace_notifications.endpoint import endpoints as webhooks
from millrace_notifications.settings import NotificationsSettings
from millrace_platform.application import create_app
from millrace_platform.ids import Ids, Uuid7


def create(
    settings: NotificationsSettings | None = None,
    *,
    mailers: Mailers = open_mailer,
    consumers: Consumers = open_feed,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> FastAPI:
    """Nothing is opened before the lifespan begins. Tests pass a mailer and a feed in memory, a clock and ids."""
    settings = settings or NotificationsSettings()
    clock = clock or SystemClock()
    return create_app(
        settings,
        name="notifications",
        title="Millrace notifications",
        routers=[module.router for module in (webhooks, deliveries, internal)],
        start=starter(settings, mailers, consumers, clock, ids or Uuid7(clock)),
    )
