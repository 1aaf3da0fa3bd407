"""What endpoints are given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_feeds.clock import Clock
from millrace_feeds.status import ConsumerStatus
from millrace_notifications.delivery.service import DeliveryService
from millrace_notifications.endpoint.service import EndpointService
from millrace_notifications.figures import Figures
from millrace_notifications.mail.memory import RecentMails
from millrace_platform.authentication import Principal, Role, require
from millrace_platform.database import Database


@dataclass(frozen=True, slots=True)
class Notifications:
    """The service, wired. `recent` is None unless the setting shows mails."""

    endpoints: EndpointService
    deliveries: DeliveryService
    database: Database
    clock: Clock
    figures: Figures
    consumer: Callable[[], ConsumerStatus]
    recent: RecentMails | None


def _notifications(request: Request) -> Notifications:
    notifications: Notifications = request.app.state.notifications
    return notifications


InNotifications: TypeAlias = Annotated[Notifications, Depends(_notifications)]
InStaff: TypeAlias = Annotated[Principal, Depends(require(Role.STAFF))]
"""A member of staff; `practices` are those that the caller works for."""
