"""For operators; the load balancer doesn't lead here."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response

from millrace_feeds.clock import utc_now
from millrace_notifications.delivery import repository as deliveries
from millrace_notifications.dependencies import InNotifications
from millrace_notifications.timer import repository as timers
from millrace_platform.errors import NotFound
from millrace_platform.openapi import problems
from millrace_platform.resources import Schema
from millrace_platform.responses import NO_STORE, json_response

router = APIRouter(prefix="/internal/notifications", tags=["internal"])


class SentMail(Schema):
    """A mail that left."""

    kind: str
    to: str
    subject: str
    text: str


class SentMails(Schema):
    """The last mails of this process, oldest first."""

    items: list[SentMail]


@router.get("/outbox", summary="Show the last mails that were sent", responses=problems(404))
async def outbox(notifications: InNotifications, response: Response) -> SentMails:
    """On one's own machine only: 404 unless `MILLRACE_NOTIFICATIONS_SHOW_MAILS` is set."""
    if notifications.recent is None:
        raise NotFound("Mails aren't shown here.")
    response.headers.update(NO_STORE)
    return SentMails(
        items=[
            SentMail(kind=mail.kind, to=mail.to, subject=mail.subject, text=mail.text)
            for mail in notifications.recent.recent()
        ]
    )


@router.get("/status", summary="Show the figures")
async def status(notifications: InNotifications) -> Response:
    """Letters and deliveries that wait, how late the latest are in seconds, and this process' counts."""
    now = utc_now(notifications.clock)
    async with notifications.database.read() as session:
        waiting = await timers.waiting(session, now)
        pending, overdue = await deliveries.counts(session, now)
    figures: dict[str, Any] = {
        "letters": {
            kind: {"waiting": count, "late": None if late is None else late.total_seconds()}
            for kind, (count, late) in waiting.items()
        },
        "deliveries": {"pending": pending, "late": None if overdue is None else (now - overdue).total_seconds()},
        "mails": notifications.figures.mails,
        "attempts": notifications.figures.attempts,
        "consumer": asdict(notifications.consumer()),
        "tzdata": version("tzdata"),
    }
    return json_response(figures)
