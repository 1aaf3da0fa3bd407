"""Dependencies of the HTTP routes, and descriptions of their problem responses for the OpenAPI document."""

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
from millrace_platform.openapi import problems

LIST = problems(401, 403, 422)
READ = problems(401, 403, 404, 422)
POST = problems(401, 403, 404, 409, 415, 422)
CHANGE = problems(401, 403, 404, 412, 415, 422, 428)


@dataclass(frozen=True, slots=True)
class Notifications:
    """Dependencies of the HTTP routes. `recent_emails` is None unless the setting `notifications_show_mails` is on."""

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
