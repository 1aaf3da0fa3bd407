"""Expected response statuses: one row for each operation that takes an identifier.

Each service has a module of its name beside this one, with `ROWS`: by operation (`"GET /v1/things/{thing_id}"`) the
status that each actor gets for a resource of the patient, or of the practice of the staff. The test repeats each
request with unknown identifiers: a refused caller must not see a difference.
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
    """Callers of an operation on a resource of PATIENT or of the practice of STAFF, which may see PATIENT's data."""

    ANONYMOUS = "anonymous"
    OTHER_PATIENT = "other patient"
    OTHER_STAFF = "staff of another practice"
    SUPPORT = "support"
    STAFF = "staff"
    PATIENT = "patient"
    ADMIN = "admin"


AUDITED = ("patients", "scheduling", "reviews")
"""Services with an audit trail."""
T = TypeVar("T")
_addresses = itertools.count(0x1000)


def new_idempotency_key() -> dict[str, str]:
    """Return the header Idempotency-Key with a new value."""
    return {"Idempotency-Key": str(uuid4())}


Ids = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """The resource that an operation is called for. `owner` is its patient if that isn't PATIENT, and calls instead."""

    ids: Ids
    owner: Account | None = None


@dataclass
class World:
    """Accounts of all actors, the practice of STAFF, and functions that create resources."""

    platform: Platform
    accounts: Accounts
    actors: Mapping[Actor, Account]
    practice: str
    http: httpx.Client
    created_once: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return the result of `make`, which is called only the first time for each name."""
        if name not in self.created_once:
            self.created_once[name] = make()
        created: T = self.created_once[name]
        return created

    def url(self, service: str) -> str:
        return self.platform.variables[f"MILLRACE_{service.upper()}_URL"]

    def create(self, service: str, path: str, body: Mapping[str, Any], actor: Actor = Actor.ADMIN) -> dict[str, Any]:
        """POST as `actor` and return the response's body; raise AssertionError if it isn't a success."""
        return self.create_as(self.actors[actor], service, path, body)

    def create_as(
        self, account: Account, service: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Do as `create`, but as `account`. Each request has its own source address, because of limits by address."""
        headers = {**account.headers, **new_idempotency_key(), "X-Forwarded-For": f"2001:db8:{next(_addresses):x}::1"}
        response = self.http.post(f"{self.url(service)}{path}", json=body, headers=headers)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        created: dict[str, Any] = response.json()
        return created


def no_body(_ids: Ids) -> None:
    """Return None, for requests without a body."""


@dataclass(frozen=True, slots=True)
class Row:
    """The expectations of one operation. `thing` creates its resource, again after each success that may change it.

    `statuses` are the expected ones by actor; 409 is for permitted actors if the thing's state forbids the operation.
    `unknown` is the status that permitted actors get for unknown identifiers. `tenants` names the identifiers of
    patients' and practices' data; None for all. `crossing` is the status for OTHER_PATIENT with their own patient id
    and the other identifiers of PATIENT.

    In AUDITED services, a success of another caller than PATIENT adds an entry about another person to the audit trail,
    unless `unrecorded` says why it doesn't, or anonymous callers are permitted.
    """

    statuses: Mapping[Actor, int]
    thing: Callable[[World], Thing]
    body: Callable[[Ids], Any] = no_body
    query: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    unknown: int = 404
    tenants: frozenset[str] | None = None
    crossing: int = 404
    unrecorded: str | None = None
    makers: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    """Functions that return new identifiers by name, for those that aren't UUIDs."""

    def is_recorded(self, service: str) -> bool:
        """Return whether accesses of others must be in the service's audit trail."""
        is_public = self.statuses[Actor.ANONYMOUS] != httpx.codes.UNAUTHORIZED
        return service in AUDITED and not is_public and self.unrecorded is None

    def unknown_ids(self, ids: Ids) -> Ids:
        """Return the identifiers, with those in `tenants` replaced by unknown ones."""
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
