"""Dependencies of the endpoints."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_feeds.clock import Clock
from millrace_feeds.status import ConsumerStatus
from millrace_notifications.delivery.service import DeliveryService
from millrace_notifications.email.memory import RecentEmails
from millrace_notifications.endpoint.service import EndpointService
from millrace_notifications.stats import Stats
from millrace_platform.authentication import Principal, Role, require
from millrace_platform.database import Database


@dataclass(frozen=True, slots=True)
class Notifications:
    """Dependencies of the endpoints. `recent_emails` is None unless the setting `notifications_show_mails` is on."""

    endpoints: EndpointService
    deliveries: DeliveryService
    database: Database
    clock: Clock
    stats: Stats
    consumer: Callable[[], ConsumerStatus]
    recent_emails: RecentEmails | None


def _notifications(request: Request) -> Notifications:
    notifications: Notifications = request.app.state.notifications
    return notifications


InNotifications: TypeAlias = Annotated[Notifications, Depends(_notifications)]
InStaff: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF))]
"""The caller, who must be staff. `practices` are the ids of the caller's practices."""
