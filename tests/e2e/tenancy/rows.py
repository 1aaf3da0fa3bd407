"""Expected response statuses: one row for each operation that takes an identifier.

Each service has a module of its name beside this one, with `ROWS`: by operation (`"GET /v1/things/{thing_id}"`) the
status that each actor gets for a thing of the patient, or of the practice whose staff the actor is. The test repeats
each request with unknown identifiers: a refused caller must not see a difference.
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
    """Callers. Things belong to PATIENT and to the practice of STAFF, with which PATIENT shares their data."""

    ANONYMOUS = "anonymous"
    OTHER_PATIENT = "other patient"
    OTHER_STAFF = "staff of another practice"
    SUPPORT = "support"
    STAFF = "staff"
    PATIENT = "patient"
    ADMIN = "admin"


T = TypeVar("T")
_addresses = itertools.count(0x1000)


def new_idempotency_key() -> dict[str, str]:
    """Return the header of a request that repeats no other."""
    return {"Idempotency-Key": str(uuid4())}


Ids = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """The target of an operation. `owner` is the patient who sends the request, if it isn't that of the world."""

    ids: Ids
    owner: Account | None = None


@dataclass
class World:
    """Accounts in all roles, the practice of STAFF, and functions that create things."""

    platform: Platform
    accounts: Accounts
    actors: Mapping[Actor, Account]
    practice: str
    http: httpx.Client
    created_once: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Create something on the first call; return it again on later calls with the same name."""
        if name not in self.created_once:
            self.created_once[name] = make()
        created: T = self.created_once[name]
        return created

    def url(self, service: str) -> str:
        return self.platform.variables[f"MILLRACE_{service.upper()}_URL"]

    def create(self, service: str, path: str, body: Mapping[str, Any], actor: Actor = Actor.ADMIN) -> dict[str, Any]:
        """POST and return the response, which must be a success."""
        return self.create_as(self.actors[actor], service, path, body)

    def create_as(
        self, account: Account, service: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Create as `account`. Each request has its own source address, so that limits by address don't apply."""
        headers = {**account.headers, **new_idempotency_key(), "X-Forwarded-For": f"2001:db8:{next(_addresses):x}::1"}
        response = self.http.post(f"{self.url(service)}{path}", json=body, headers=headers)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        created: dict[str, Any] = response.json()
        return created


def no_body(_ids: Ids) -> None:
    """Return no body."""


@dataclass(frozen=True, slots=True)
class Row:
    """One operation. `thing` creates its target, and again after each success that may change it.

    `statuses` are the expected ones by actor; 409 is for permitted actors if the thing's state forbids the operation.
    `unknown` is the status that permitted actors get for unknown identifiers. `tenants` are the identifiers that belong
    to a patient or practice; None: all of them. `crossing` is the status for another patient who names themselves as
    the owner of the patient's thing.
    """

    statuses: Mapping[Actor, int]
    thing: Callable[[World], Thing]
    body: Callable[[Ids], Any] = no_body
    query: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    unknown: int = 404
    tenants: frozenset[str] | None = None
    crossing: int = 404
    makers: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    """Functions that make unknown identifiers, for those that aren't UUIDs."""

    def unknown_ids(self, ids: Ids) -> Ids:
        """Return the identifiers with those of tenants replaced by unknown ones."""
        tenants = ids.keys() if self.tenants is None else self.tenants
        return {name: self.makers.get(name, _uuid)() if name in tenants else value for name, value in ids.items()}


def _uuid() -> str:
    return str(uuid4())


def everyone(status: int) -> Mapping[Actor, int]:
    """Expect the same status for every actor."""
    return dict.fromkeys(Actor, status)


def only(status: int, *actors: Actor, others: int) -> Mapping[Actor, int]:
    """Expect `status` for `actors`, 401 without a token, and `others` for the rest."""
    return {**dict.fromkeys(Actor, others), Actor.ANONYMOUS: 401, **dict.fromkeys(actors, status)}
