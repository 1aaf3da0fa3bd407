"""A patient whose personal fields all have canary values, and the requests sent with them."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.support.accounts import Account
from tests.support.platform import Platform, wait_for

NO_CANARIES = frozenset(
    {"sex", "language", "state", "relationship", "roles", "practices"}
    | {"patient_ids", "dependant_id", "plan_id", "device_token", "refresh_token", "code"}
)
"""Fields without a canary: enumerations, ids of other entities, codes that are valid once, and tokens, which are
added when they are issued."""


def _digits(count: int) -> str:
    return "".join(secrets.choice("23456789") for _ in range(count))


def _canary_name(field_name: str) -> str:
    return f"Canary{field_name.title()}{secrets.token_hex(6)}"


@dataclass
class Canaries:
    """A unique value for each personal field, by its name in the API. `secrets` are issued tokens."""

    values: Mapping[str, str] = field(
        default_factory=lambda: {
            "email": f"canary{secrets.token_hex(6)}@example.org",
            "password": f"canary sentence {secrets.token_hex(6)}",
            "current_password": f"canary guess {secrets.token_hex(6)}",
            "token": _canary_name("token"),
            **{name: _canary_name(name.replace("_", "")) for name in ("given_name", "family_name", "subscriber_name")},
            **{
                name: _canary_name(name.replace("_", ""))
                for name in ("line1", "line2", "city", "member_id", "group_number")
            },
            "birth_date": f"1893-0{secrets.choice('123456789')}-1{secrets.choice('0123456789')}",
            "phone": _digits(10),
            "zip": f"{_digits(5)}-{_digits(4)}",
        }
    )
    secrets: list[str] = field(default_factory=list)

    def of(self, *names: str) -> dict[str, str]:
        return {name: self.values[name] for name in names}

    def needles(self) -> Iterator[tuple[str, str]]:
        yield from self.values.items()
        yield from (("a secret", secret) for secret in self.secrets)


@dataclass
class Scene:
    """A patient with canary values, staff of a practice, and the content of every refused response."""

    platform: Platform
    canaries: Canaries
    staff: Account
    practice: str
    provider_location: str
    plan: str
    http: httpx.Client
    patient: Account
    refusals: list[bytes]

    def send(self, method: str, path: str, caller: Account | None = None, **options: Any) -> httpx.Response:
        """Send a request to the public address, and record the content of a refusal."""
        headers = {**(caller.headers if caller else {}), **options.pop("headers", {})}
        response = self.http.request(method, f"{self.platform.url}{path}", headers=headers, **options)
        if not response.is_success:
            self.refusals.append(response.content + repr(dict(response.headers)).encode())
        return response

    def do(self, caller: Account, path: str, body: Any = None) -> dict[str, Any]:
        """POST and return the response's body; raise AssertionError if it isn't a success."""
        response = self.send("POST", path, caller, json=body, headers={"Idempotency-Key": str(uuid4())})
        assert response.is_success, f"{path}: {response.text}"
        created: dict[str, Any] = response.json()
        return created

    def own(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        """Send a request of the patient about their own data."""
        return self.send(method, f"/v1/patients/{self.patient.id}{path}", self.patient, **options)

    def wait_for_email(self, kind: str) -> None:
        """Wait until the patient got an email of this kind; notifications used the address and must not store it."""

        def has_arrived() -> bool:
            mails = self.platform.sent_emails()
            return (kind, self.canaries.values["email"]) in {(mail["kind"], mail["to"]) for mail in mails}

        wait_for(has_arrived, seconds=60, what=f"the email {kind}")
