"""People who use a running platform as anybody would: over the edge, with a browser and a mailbox."""

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
    """Somebody with an account; every answer of theirs comes through the edge. `headers` carry the access token."""

    http: httpx.Client
    id: str
    email: str
    headers: dict[str, str]

    def ask(self, method: str, path: str, status: int, *, key: str | None = None, **options: Any) -> httpx.Response:
        """The answer, which has this status. Without a `key` of its own each POST gets a new one."""
        headers = {**self.headers, **options.pop("headers", {})}
        if method == "POST":
            headers["Idempotency-Key"] = key or secrets.token_hex(16)
        answer = self.http.request(method, path, headers=headers, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def mails(self, kind: str) -> list[str]:
        """The subjects of what came of this kind."""
        return [mail["subject"] for mail in _mails(self.http, self.email) if mail["kind"] == kind]

    def is_mailed(self, kind: str) -> str:
        """Wait for a mail of this kind; its subject."""
        return wait_for(lambda: self.mails(kind) or None, seconds=MAIL_SECONDS, what=f"a mail `{kind}`")[-1]


def signed_in(http: httpx.Client, email: str) -> Person:
    answer = http.post("/v1/auth/sign-in", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}", "Purpose-Of-Use": "TREAT"}
    return Person(http, tokens["subject"], email, headers)


def signed_up(http: httpx.Client, name: str) -> Person:
    """A new account, made with the token of the mail that the address got."""
    email = f"{name}.{secrets.token_hex(6)}@example.org"
    assert http.post("/v1/auth/sign-up", json={"email": email}).status_code == 202
    mail = wait_for(lambda: next(iter(_mails(http, email)), None), seconds=MAIL_SECONDS, what="the mail of a sign-up")
    token = mail["text"].rpartition("token=")[2].split()[0]
    verified = http.post("/v1/auth/verify-email", json={"token": token, "password": PASSWORD})
    assert verified.status_code == 201, verified.text
    return signed_in(http, email)


def patient(http: httpx.Client, name: str) -> Person:
    """With a profile."""
    person = signed_up(http, name)
    person.ask("PUT", f"/v1/patients/{person.id}", 201, json=PROFILE)
    return person


def staff(platform: Platform, http: httpx.Client, practices: Sequence[str]) -> Person:
    """Whose account was given its role as an operator does it."""
    person = signed_up(http, "staff")
    options = [word for practice in practices for word in ("--practice", practice)]
    platform.millrace("accounts", "grant", "--role", "staff", *options, "--email", person.email)
    return signed_in(http, person.email)


def _mails(http: httpx.Client, email: str) -> list[dict[str, str]]:
    items: list[dict[str, str]] = http.get("/internal/notifications/outbox").raise_for_status().json()["items"]
    return [mail for mail in items if mail["to"] == email]
