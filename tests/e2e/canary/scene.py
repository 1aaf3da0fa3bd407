"""A patient full of canaries: a value for each personal field, and who asks with them."""

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
    | {"patient_ids", "dependant_id", "device_token", "refresh_token"}
)
"""Fields of few values, ids of others, and tokens, which are looked for as they are given out."""


def _digits(count: int) -> str:
    return "".join(secrets.choice("23456789") for _ in range(count))


def _name(what: str) -> str:
    return f"Canary{what.title()}{secrets.token_hex(6)}"


@dataclass
class Canaries:
    """A value for each personal field, by its name in the API; each is found nowhere else. `secrets` are tokens."""

    values: Mapping[str, str] = field(
        default_factory=lambda: {
            "email": f"canary{secrets.token_hex(6)}@example.org",
            "password": f"canary sentence {secrets.token_hex(6)}",
            "token": _name("token"),
            **{name: _name(name.replace("_", "")) for name in ("given_name", "family_name", "subscriber_name")},
            **{
                name: _name(name.replace("_", ""))
                for name in ("line1", "line2", "city", "plan_id", "member_id", "group_number")
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
    """A patient full of canaries, staff of a practice, and every answer that was a refusal."""

    platform: Platform
    canaries: Canaries
    staff: Account
    practice: str
    place: str
    http: httpx.Client
    patient: Account
    refusals: list[bytes]

    def ask(self, method: str, path: str, who: Account | None = None, **options: Any) -> httpx.Response:
        """Ask through the edge, as a client from outside would."""
        headers = {**(who.headers if who else {}), **options.pop("headers", {})}
        answer = self.http.request(method, f"{self.platform.url}{path}", headers=headers, **options)
        if not answer.is_success:
            self.refusals.append(answer.content + repr(dict(answer.headers)).encode())
        return answer

    def do(self, who: Account, path: str, body: Any = None) -> dict[str, Any]:
        """POST that must succeed."""
        answer = self.ask("POST", path, who, json=body, headers={"Idempotency-Key": str(uuid4())})
        assert answer.is_success, f"{path}: {answer.text}"
        made: dict[str, Any] = answer.json()
        return made

    def own(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        """The patient asks for something of its own."""
        return self.ask(method, f"/v1/patients/{self.patient.id}{path}", self.patient, **options)

    def letter(self, kind: str) -> None:
        """Wait until the patient got it: with it the address was in `notifications`, and may stay nowhere."""
        url = f"{self.platform.url}/internal/notifications/outbox"

        def came() -> bool:
            mails = self.http.get(url).raise_for_status().json()["items"]
            return (kind, self.canaries.values["email"]) in {(mail["kind"], mail["to"]) for mail in mails}

        wait_for(came, seconds=60, what=f"a letter that it is {kind}")
