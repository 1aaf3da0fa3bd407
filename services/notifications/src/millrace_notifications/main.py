"""The notifications service as an ASGI application."""

from functools import partial

from fastapi import FastAPI

from millrace_notifications import bootstrap, internal
from millrace_notifications.bootstrap import OpenMailer, open_ses_mailer
from millrace_notifications.delivery import endpoints as deliveries
from millrace_notifications.endpoint import endpoints as webhooks
from millrace_notifications.settings import NotificationsSettings
from millrace_platform.application import create_app
from millrace_platform.service import Infrastructure


def create(
    settings: NotificationsSettings | None = None,
    infrastructure: Infrastructure | None = None,
    open_mailer: OpenMailer = open_ses_mailer,
) -> FastAPI:
    """Create the application; nothing is opened before its lifespan begins."""
    settings = settings or NotificationsSettings()
    infrastructure = infrastructure or Infrastructure.of(settings)
    return create_app(
        settings,
        name="notifications",
        title="Millrace notifications",
        routers=[module.router for module in (webhooks, deliveries, internal)],
        start=partial(bootstrap.start, settings, infrastructure, open_mailer),
        clock=infrastructure.clock,
    )
