"""What a table of expectations is made of: one row for each operation that takes an identifier.

A service joins by a module of its name beside this one, with `ROWS`: by operation (`"GET /v1/things/{thing_id}"`) what
each actor is answered for a thing of the patient, or of the practice whose staff the actor is. The walk then asks
everything again with identifiers that nobody has: whoever is refused must not be able to tell the difference.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from tests.support.accounts import Account, Accounts
from tests.support.platform import Platform


class Actor(StrEnum):
    """Who asks. Things belong to PATIENT, and to the practice that STAFF works for, with which PATIENT shares."""

    ANONYMOUS = "anonymous"
    OTHER_PATIENT = "other patient"
    OTHER_STAFF = "staff of another practice"
    SUPPORT = "support"
    STAFF = "staff"
    PATIENT = "patient"
    ADMIN = "admin"


T = TypeVar("T")
_addresses = itertools.count(0x1000)


def unrepeated() -> dict[str, str]:
    """The header by which a request isn't taken for one before."""
    return {"Idempotency-Key": str(uuid4())}


Ids = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """What an operation is asked about. `owner` is the patient to ask as, where it isn't the world's."""

    ids: Ids
    owner: Account | None = None


@dataclass
class World:
    """Accounts in all roles, the practice that STAFF works for, and how to make things."""

    platform: Platform
    accounts: Accounts
    actors: Mapping[Actor, Account]
    practice: str
    http: httpx.Client
    kept: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What is made once and serves many rows."""
        if name not in self.kept:
            self.kept[name] = make()
        made: T = self.kept[name]
        return made

    def url(self, service: str) -> str:
        return self.platform.variables[f"MILLRACE_{service.upper()}_URL"]

    def create(self, service: str, path: str, body: Mapping[str, Any], actor: Actor = Actor.ADMIN) -> dict[str, Any]:
        """POST that must succeed."""
        return self.create_as(self.actors[actor], service, path, body)

    def create_as(
        self, account: Account, service: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """As `create`, by whomever. Each request comes from an address of its own, so that no limit is met."""
        headers = {**account.headers, **unrepeated(), "X-Forwarded-For": f"2001:db8:{next(_addresses):x}::1"}
        answer = self.http.post(f"{self.url(service)}{path}", json=body, headers=headers)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        made: dict[str, Any] = answer.json()
        return made


def no_body(_ids: Ids) -> None:
    """The operation takes none."""


@dataclass(frozen=True, slots=True)
class Row:
    """One operation. `thing` makes what it is asked about; it is made anew after each success that may change it.

    `answers` are statuses by actor; a 409 is for those who may, where the thing's state forbids it. `unknown` is what
    those who may are answered for identifiers that nobody has. `tenants` are the identifiers that belong to somebody;
    None: all of them. `crossing` is what another patient is answered who names itself as the owner of the patient's
    thing.
    """

    answers: Mapping[Actor, int]
    thing: Callable[[World], Thing]
    body: Callable[[Ids], Any] = no_body
    query: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    unknown: int = 404
    tenants: frozenset[str] | None = None
    crossing: int = 404
    makers: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    """How identifiers that nobody has are made, where they aren't UUIDs."""

    def nobodys(self, ids: Ids) -> Ids:
        """The identifiers with those of tenants replaced by ones that nobody has."""
        tenants = ids.keys() if self.tenants is None else self.tenants
        return {name: self.makers.get(name, _uuid)() if name in tenants else value for name, value in ids.items()}


def _uuid() -> str:
    return str(uuid4())


def everyone(status: int) -> Mapping[Actor, int]:
    """All are answered the same."""
    return dict.fromkeys(Actor, status)


def only(status: int, *actors: Actor, others: int) -> Mapping[Actor, int]:
    """Some may; without a token it is a 401."""
    return {**dict.fromkeys(Actor, others), Actor.ANONYMOUS: 401, **dict.fromkeys(actors, status)}
