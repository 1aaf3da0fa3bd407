"""Internal API for operators; no load balancer routes it."""

from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response

from millrace_feeds.clock import utc_now
from millrace_notifications.delivery import repository as deliveries
from millrace_notifications.dependencies import InNotifications
from millrace_notifications.scheduled_email import repository as scheduled_emails
from millrace_platform.errors import NotFound
from millrace_platform.internal import for_operators
from millrace_platform.openapi import problems
from millrace_platform.resources import Schema
from millrace_platform.responses import NO_STORE, json_response
from millrace_platform.service_tokens import CallPurpose

router = APIRouter(prefix="/internal/notifications", tags=["internal"])


class SentEmail(Schema):
    """A sent email."""

    sent_at: datetime
    kind: str
    to: str
    subject: str
    text: str


class SentEmailList(Schema):
    """Last sent emails of this process, oldest first."""

    items: list[SentEmail]


@router.get(
    "/outbox",
    summary="List the last sent emails",
    dependencies=[for_operators(CallPurpose.SENT_EMAILS)],
    responses=problems(404),
)
async def list_sent_emails(notifications: InNotifications, response: Response) -> SentEmailList:
    """Return the last sent emails. For development: 404 unless `MILLRACE_NOTIFICATIONS_SHOW_MAILS` is set."""
    if notifications.recent_emails is None:
        raise NotFound("Sent emails aren't shown here. Set MILLRACE_NOTIFICATIONS_SHOW_MAILS to show them.")
    response.headers.update(NO_STORE)
    return SentEmailList(
        items=[
            SentEmail(sent_at=sent_at, kind=email.kind, to=email.to, subject=email.subject, text=email.text)
            for email, sent_at in ((each.email, each.sent_at) for each in notifications.recent_emails.list_emails())
        ]
    )


@router.get("/status", summary="Get the status", dependencies=[for_operators(CallPurpose.STATUS)])
async def get_notifications_status(notifications: InNotifications) -> Response:
    """Return the waiting emails and deliveries, how overdue the oldest are in seconds, and this process's counts."""
    now = utc_now(notifications.clock)
    async with notifications.database.read() as session:
        waiting = await scheduled_emails.count_waiting(session, now)
        pending, overdue = await deliveries.count_pending(session, now)
    stats: dict[str, Any] = {
        "letters": {
            kind: {"waiting": count, "late": None if late is None else late.total_seconds()}
            for kind, (count, late) in waiting.items()
        },
        "deliveries": {"pending": pending, "late": None if overdue is None else (now - overdue).total_seconds()},
        "mails": notifications.stats.emails,
        "attempts": notifications.stats.attempts,
        "consumer": asdict(notifications.consumer()),
        "tzdata": version("tzdata"),
    }
    return json_response(stats)
