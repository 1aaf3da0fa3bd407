"""People who use a running platform through its public address and receive its emails."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.accounts import EMAIL_SECONDS, PASSWORD, PROFILE
from tests.support.platform import Platform, wait_for


@dataclass
class Person:
    """A signed-in person who sends requests to the public address. `headers` contain the access token."""

    platform: Platform
    http: httpx.Client
    id: str
    email: str
    headers: dict[str, str]

    def ask(self, method: str, path: str, status: int, *, key: str | None = None, **options: Any) -> httpx.Response:
        """Send a request and return the response, which must have this status. A POST gets a new `key` by default."""
        headers = {**self.headers, **options.pop("headers", {})}
        if method == "POST":
            headers["Idempotency-Key"] = key or secrets.token_hex(16)
        response = self.http.request(method, path, headers=headers, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        return response

    def email_subjects(self, kind: str) -> list[str]:
        """Return the subjects of received emails of this kind."""
        return [email["subject"] for email in _emails(self.platform, self.email) if email["kind"] == kind]

    def wait_for_email(self, kind: str) -> str:
        """Wait for an email of this kind and return its subject."""
        return wait_for(lambda: self.email_subjects(kind) or None, seconds=EMAIL_SECONDS, what=f"an email `{kind}`")[-1]


def sign_in(platform: Platform, http: httpx.Client, email: str, code: str | None = None) -> Person:
    """Return the person with a new access token. `code` is that of the second factor if there is one."""
    response = http.post("/v1/auth/sign-in", json={"email": email, "password": PASSWORD, "code": code})
    assert response.status_code == 200, response.text
    tokens = response.json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}", "Purpose-Of-Use": "TREAT"}
    return Person(platform, http, tokens["subject"], email, headers)


def sign_up(platform: Platform, http: httpx.Client, name: str) -> Person:
    """Sign up with the token of the verification email, sign in, and return the person."""
    email = f"{name}.{secrets.token_hex(6)}@example.org"
    assert http.post("/v1/auth/sign-up", json={"email": email}).status_code == 202
    message = wait_for(
        lambda: next(iter(_emails(platform, email)), None), seconds=EMAIL_SECONDS, what="the email of a sign-up"
    )
    token = message["text"].rpartition("token=")[2].split()[0]
    verified = http.post("/v1/auth/verify-email", json={"token": token, "password": PASSWORD})
    assert verified.status_code == 201, verified.text
    return sign_in(platform, http, email)


def patient(platform: Platform, http: httpx.Client, name: str) -> Person:
    """Sign up a person with a profile."""
    person = sign_up(platform, http, name)
    person.ask("PUT", f"/v1/patients/{person.id}", 201, json=PROFILE)
    return person


def staff(platform: Platform, http: httpx.Client, practices: Sequence[str]) -> Person:
    """Sign up a person with the staff role for these practices, granted by the `millrace accounts` command."""
    person = sign_up(platform, http, "staff")
    options = [word for practice in practices for word in ("--practice", practice)]
    platform.millrace("accounts", "grant", "--role", "staff", *options, "--email", person.email)
    code = platform.millrace("accounts", "code", person.email).stdout.strip()
    return sign_in(platform, http, person.email, code)


def _emails(platform: Platform, email: str) -> list[dict[str, str]]:
    return [sent for sent in platform.sent_emails() if sent["to"] == email]
