"""The command `millrace mails` against a service that shows its emails."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import typer
from typer.testing import CliRunner, Result

from millrace_notifications.cli import mails
from millrace_platform.service_tokens import is_service_token
from millrace_platform.testing import SERVICE_KEY

app = typer.Typer()
app.command()(mails)
SENT = [
    {"sent_at": f"2026-11-22T14:0{minute}:11Z", "kind": "booked", "to": to, "subject": subject, "text": f"{subject}!\n"}
    for minute, (to, subject) in enumerate(
        [("ada@example.org", "One"), ("bob@example.org", "Other"), ("ada@example.org", "Two")]
    )
]


class Outbox(BaseHTTPRequestHandler):
    """Responds to a command's token with the emails, or with 404 if `shown` is off."""

    shown = True

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        found = self.shown and self.path == "/internal/notifications/outbox"
        self.send_response((200 if found else 404) if is_service_token(token) else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"items": SENT}).encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 0), Outbox) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("MILLRACE_OPERATOR_NOTIFICATIONS_KEYS", SERVICE_KEY)
        monkeypatch.setenv("MILLRACE_NOTIFICATIONS_URL", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()
        thread.join()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("outbox")
def test_emails_of_an_address_are_printed_newest_last() -> None:
    result = call("--to", "Ada@example.org")
    one, two = "2026-11-22 14:00:11 UTC  One\n\nOne!", "2026-11-22 14:02:11 UTC  Two\n\nTwo!"
    assert (result.exit_code, result.stdout) == (0, f"{one}\n\n{two}\n")
    assert call("--to", "ada@example.org", "--last", "1").stdout == f"{two}\n"


@pytest.mark.usefixtures("outbox")
def test_address_without_email_is_one_line() -> None:
    result = call("--to", "eve@example.org")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "No email was sent to this address.\n")


@pytest.mark.usefixtures("outbox")
def test_platform_that_hides_emails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "shown", False)
    result = call("--to", "ada@example.org")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:1"])
def test_missing_service_is_one_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_NOTIFICATIONS_URL", url)
    result = call("--to", "ada@example.org")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


@pytest.mark.usefixtures("outbox")
def test_refused_token_is_reported_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_ADMIN_TOKEN", "expired")
    result = call("--to", "ada@example.org")
    remedy = "The notifications service refused the token. Set MILLRACE_ADMIN_TOKEN to a valid one.\n"
    assert (result.exit_code, result.stderr) == (2, remedy)
