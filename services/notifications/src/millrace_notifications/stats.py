"""Counts of sent emails and webhook attempts since the process started, for the status endpoint and OpenTelemetry."""

from collections import Counter

from opentelemetry import metrics

_meter = metrics.get_meter("millrace.notifications")
_emails = _meter.create_counter("millrace.notifications.mails", "{mail}", "Emails by kind and outcome")
_attempts = _meter.create_counter("millrace.notifications.webhook.attempts", "{attempt}", "Attempts by outcome")


class Stats:
    """Counts of this process's emails and webhook attempts by outcome."""

    def __init__(self) -> None:
        self.emails: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()

    def count_email(self, kind: str, outcome: str) -> None:
        self.emails[outcome] += 1
        _emails.add(1, {"kind": kind, "outcome": outcome})

    def count_attempt(self, outcome: str) -> None:
        self.attempts[outcome] += 1
        _attempts.add(1, {"outcome": outcome})
