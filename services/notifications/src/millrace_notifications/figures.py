"""What left and what didn't, counted since the start: for the status page and for OpenTelemetry."""

from collections import Counter

from opentelemetry import metrics

_meter = metrics.get_meter("millrace.notifications")
_mails = _meter.create_counter("millrace.notifications.mails", "{mail}", "Mails by kind and outcome")
_attempts = _meter.create_counter("millrace.notifications.webhook.attempts", "{attempt}", "Attempts by outcome")


class Figures:
    """Counts of this process."""

    def __init__(self) -> None:
        self.mails: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()

    def mail(self, kind: str, outcome: str) -> None:
        self.mails[outcome] += 1
        _mails.add(1, {"kind": kind, "outcome": outcome})

    def attempt(self, outcome: str) -> None:
        self.attempts[outcome] += 1
        _attempts.add(1, {"outcome": outcome})
