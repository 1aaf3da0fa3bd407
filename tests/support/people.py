"""People who use a running platform through the edge, with a mailbox."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.platform import Platform, wait_for

PASSWORD = "a quiet sentence about rivers"
PROFILE = {"given_name": "Ada", "family_name": "Lovelace", "birth_date": "1980-12-10"}
MAIL_SECONDS = 30.0


@dataclass
class Person:
    """A signed-in person who sends requests through the edge. `headers` contain the access token."""

    http: httpx.Client
    id: str
    email: str
    headers: dict[str, str]

    def ask(self, method: str, path: str, status: int, *, key: str | None = None, **options: Any) -> httpx.Response:
        """Send a request and return the response, which must have this status. A POST gets a new `key` by default."""
        headers = {**self.headers, **options.pop("headers", {})}
        if method == "POST":
            headers["Idempotency-Key"] = key or secrets.token_hex(16)
        answer = self.http.request(method, path, headers=headers, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def mails(self, kind: str) -> list[str]:
        """Return the subjects of received emails of this kind."""
        return [mail["subject"] for mail in _mails(self.http, self.email) if mail["kind"] == kind]

    def wait_for_email(self, kind: str) -> str:
        """Wait for an email of this kind and return its subject."""
        return wait_for(lambda: self.mails(kind) or None, seconds=MAIL_SECONDS, what=f"a mail `{kind}`")[-1]


def sign_in(http: httpx.Client, email: str) -> Person:
    answer = http.post("/v1/auth/sign-in", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}", "Purpose-Of-Use": "TREAT"}
    return Person(http, tokens["subject"], email, headers)


def sign_up(http: httpx.Client, name: str) -> Person:
    """Sign up with the token of the verification email."""
    email = f"{name}.{secrets.token_hex(6)}@example.org"
    assert http.post("/v1/auth/sign-up", json={"email": email}).status_code == 202
    mail = wait_for(lambda: next(iter(_mails(http, email)), None), seconds=MAIL_SECONDS, what="the mail of a sign-up")
    token = mail["text"].rpartition("token=")[2].split()[0]
    verified = http.post("/v1/auth/verify-email", json={"token": token, "password": PASSWORD})
    assert verified.status_code == 201, verified.text
    return sign_in(http, email)


def patient(http: httpx.Client, name: str) -> Person:
    """Sign up and store a profile."""
    person = sign_up(http, name)
    person.ask("PUT", f"/v1/patients/{person.id}", 201, json=PROFILE)
    return person


def staff(platform: Platform, http: httpx.Client, practices: Sequence[str]) -> Person:
    """Sign up and get the staff role by the operator's command."""
    person = sign_up(http, "staff")
    options = [word for practice in practices for word in ("--practice", practice)]
    platform.millrace("accounts", "grant", "--role", "staff", *options, "--email", person.email)
    return sign_in(http, person.email)


def _mails(http: httpx.Client, email: str) -> list[dict[str, str]]:
    items: list[dict[str, str]] = http.get("/internal/notifications/outbox").raise_for_status().json()["items"]
    return [mail for mail in items if mail["to"] == email]
