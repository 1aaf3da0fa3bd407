"""Every operation with an identifier is called by every role, for own, other tenants' and unknown resources.

Each access to another person's data must be in the audit trail of the service.
"""

import asyncio
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
import httpx
import pytest

from millrace_local.routes import SERVICES
from tests.e2e.tenancy.rows import Actor, Ids, Row, Thing, World, new_idempotency_key
from tests.support.accounts import Account, Accounts
from tests.support.operations import operations_with_ids
from tests.support.platform import Platform


def _rows(service: str) -> Mapping[str, Row]:
    try:
        rows: Mapping[str, Row] = importlib.import_module(f"tests.e2e.tenancy.{service}").ROWS
    except ModuleNotFoundError as error:
        if error.name != f"tests.e2e.tenancy.{service}":
            raise
        return {}
    return rows


OF_THE_THING = frozenset({httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY})
"""Statuses of callers who may see the thing: the request doesn't fit it."""
REFUSALS = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND})
TABLES = {service: _rows(service) for service in SERVICES}
EXPECTED = [(service, name) for service, rows in TABLES.items() for name in rows]
ADMINISTERED = [
    (service, name)
    for service, name in EXPECTED
    if TABLES[service][name].is_recorded(service)
    and TABLES[service][name].statuses[Actor.ADMIN] < httpx.codes.BAD_REQUEST
    and "/accounts/" not in name
]
"""Operations with which administrators reach others' data, except for the roles of accounts: it is their purpose."""
PRIVILEGED = [
    (service, name)
    for service, name in EXPECTED
    if TABLES[service][name].statuses[Actor.ADMIN] != TABLES[service][name].statuses[Actor.OTHER_PATIENT]
]
"""Operations at which administrators have rights of their role."""


@pytest.fixture(scope="module")
def world(platform: Platform) -> Iterator[World]:
    accounts = Accounts(platform)
    with httpx.Client(timeout=30) as http:
        admin = accounts.staff("admin", "admin")
        practice, other_practice = (_practice(platform, http, admin, name) for name in ("Lakeside", "Seaside"))
        actors = {
            Actor.ANONYMOUS: Account("", "", {}),
            Actor.ADMIN: admin,
            Actor.SUPPORT: accounts.staff("support", "support"),
            Actor.STAFF: accounts.staff("staff", "staff", practices=[practice]),
            Actor.OTHER_STAFF: accounts.staff("other-staff", "staff", practices=[other_practice]),
            Actor.PATIENT: accounts.patient("patient", shares_with=practice),
            Actor.OTHER_PATIENT: accounts.patient("other-patient"),
        }
        yield World(platform, accounts, actors, practice, http)


def _practice(platform: Platform, http: httpx.Client, admin: Account, name: str) -> str:
    url = f"{platform.variables['MILLRACE_DIRECTORY_URL']}/v1/directory/practices"
    return str(http.post(url, json={"name": name}, headers=admin.headers).raise_for_status().json()["id"])


@pytest.fixture(scope="module")
def signed_out_admin(world: World) -> Account:
    """Return an administrator who has signed out everywhere; all services refuse the access token."""
    return world.accounts.sign_out_everywhere(world.accounts.staff("signed-out", "admin"))


@pytest.fixture(scope="module")
def erased_patient(world: World) -> Account:
    """Return a patient who was erased; all services refuse the access token."""
    return world.accounts.erase(world.accounts.patient("erased"))


@pytest.fixture(scope="module")
def admin_without_factor(world: World) -> Account:
    """Return an administrator who has signed in without a second factor."""
    return world.accounts.staff("weak", "admin", has_second_factor=False)


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_with_an_identifier_has_a_row(platform: Platform, service: str) -> None:
    document = httpx.get(f"{platform.variables[f'MILLRACE_{service.upper()}_URL']}/openapi.json").json()
    assert {operation.name for operation in operations_with_ids(document)} == TABLES[service].keys()


@pytest.mark.parametrize(("service", "operation"), EXPECTED, ids=[name for _, name in EXPECTED])
def test_each_role_gets_the_expected_status(world: World, service: str, operation: str) -> None:
    row = TABLES[service][operation]
    calls = _Calls(world, service, operation, row)
    for actor in Actor:
        calls.call_existing(actor)
        calls.call_unknown(actor)
    calls.call_as_false_owner()


@pytest.mark.parametrize(("service", "operation"), ADMINISTERED, ids=[name for _, name in ADMINISTERED])
def test_administrator_needs_a_purpose(world: World, service: str, operation: str) -> None:
    _Calls(world, service, operation, TABLES[service][operation]).call_without_purpose()


@pytest.mark.parametrize(("service", "operation"), EXPECTED, ids=[name for _, name in EXPECTED])
def test_token_of_an_ended_session_is_as_good_as_none(
    world: World, signed_out_admin: Account, erased_patient: Account, service: str, operation: str
) -> None:
    row = TABLES[service][operation]
    if row.statuses[Actor.ANONYMOUS] == httpx.codes.UNAUTHORIZED:
        calls = _Calls(world, service, operation, row)
        for account in (signed_out_admin, erased_patient):
            calls.call_with_ended_session(account)


@pytest.mark.parametrize(("service", "operation"), PRIVILEGED, ids=[name for _, name in PRIVILEGED])
def test_administrator_without_a_second_factor_has_no_rights(
    world: World, admin_without_factor: Account, service: str, operation: str
) -> None:
    row = TABLES[service][operation]
    _Calls(world, service, operation, row).call_without_rights(admin_without_factor)


class _Calls:
    """Sends the requests to one operation and compares the responses with its row."""

    def __init__(self, world: World, service: str, operation: str, row: Row) -> None:
        self._world = world
        self._service = service
        self._method, _, self._path = operation.partition(" ")
        self._row = row
        self._created: Thing | None = None
        self._refused: dict[Actor, Any] = {}

    def call_existing(self, actor: Actor) -> None:
        thing = self._thing()
        account = self._account(actor, thing)
        before = self._count_accesses(account)
        response = self._send(account, thing.ids)
        assert response.status_code == self._row.statuses[actor], f"{actor}: {response.text}"
        if self._row.is_recorded(self._service) and actor is not Actor.PATIENT:
            is_recorded = self._count_accesses(account) > before
            assert is_recorded == response.is_success, f"{actor}: {response.status_code}, recorded: {is_recorded}"
        if response.is_success:
            if self._method != "GET":
                self._created = None
        elif response.status_code == self._row.unknown or response.status_code not in OF_THE_THING:
            self._refused[actor] = _refusal_of(response, thing.ids)

    def call_unknown(self, actor: Actor) -> None:
        thing = self._thing()
        ids = self._row.unknown_ids(thing.ids)
        response = self._send(self._account(actor, thing), ids)
        if actor in self._refused:
            assert _refusal_of(response, ids) == self._refused[actor], f"{actor} can see whether the thing exists"
        else:
            assert response.status_code == self._row.unknown, f"{actor}: {response.text}"

    def call_as_false_owner(self) -> None:
        """Call as OTHER_PATIENT with their own patient id and the other identifiers of PATIENT's resource."""
        ids = dict(self._thing().ids)
        if "patient_id" not in ids or len(ids) == 1:
            return
        stranger = self._world.actors[Actor.OTHER_PATIENT]
        theirs, unknown = ({**each, "patient_id": stranger.id} for each in (ids, self._row.unknown_ids(ids)))
        response = self._send(stranger, theirs)
        assert response.status_code == self._row.crossing, response.text
        if not response.is_success:
            assert _refusal_of(response, theirs) == _refusal_of(self._send(stranger, unknown), unknown)

    def call_without_purpose(self) -> None:
        """Call as ADMIN without a purpose of use."""
        thing, admin = self._thing(), self._world.actors[Actor.ADMIN]
        headers = {name: value for name, value in admin.headers.items() if name != "Purpose-Of-Use"}
        response = self._send(Account(admin.id, admin.email, headers), thing.ids)
        assert response.status_code == httpx.codes.UNPROCESSABLE_ENTITY, response.text
        assert [each["field"] for each in response.json()["errors"]] == ["Purpose-Of-Use"]

    def call_without_rights(self, account: Account) -> None:
        ids = self._thing().ids
        unknown = self._row.unknown_ids(ids)
        response = self._send(account, ids)
        assert response.status_code in REFUSALS, response.text
        assert _refusal_of(response, ids) == _refusal_of(self._send(account, unknown), unknown)

    def call_with_ended_session(self, account: Account) -> None:
        response = self._send(account, self._thing().ids)
        assert response.status_code == httpx.codes.UNAUTHORIZED, response.text
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]

    def _thing(self) -> Thing:
        if self._created is None:
            self._created = self._row.thing(self._world)
        return self._created

    def _count_accesses(self, account: Account) -> int:
        """Return the number of the account's accesses to others' data in the service's audit trail."""
        if not self._row.is_recorded(self._service) or not account.id:
            return 0
        return asyncio.run(_count_accesses(self._world.platform, self._service, account.id))

    def _account(self, actor: Actor, thing: Thing) -> Account:
        return thing.owner if actor is Actor.PATIENT and thing.owner is not None else self._world.actors[actor]

    def _send(self, account: Account, ids: Ids) -> httpx.Response:
        request = self._world.http.build_request(
            self._method,
            self._world.url(self._service) + self._path.format_map(ids),
            params={name: ids[name] for name in self._row.query},
            json=self._row.body(ids),
            headers={**account.headers, **new_idempotency_key(), **self._row.headers},
        )
        response = self._world.http.send(request, stream=True)
        # An event stream never ends.
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            response.read()
        response.close()
        return response


async def _count_accesses(platform: Platform, service: str, actor_id: str) -> int:
    connection = await asyncpg.connect(platform.variables[f"MILLRACE_{service.upper()}_DATABASE_URL"])
    try:
        query = "SELECT count(*) FROM audit_entry WHERE actor_id = $1 AND person_id <> actor_id"
        return int(await connection.fetchval(query, actor_id))
    finally:
        await connection.close()


def _refusal_of(response: httpx.Response, ids: Ids) -> tuple[int, str]:
    """Return the status and body of a refusal without the request id and the requested identifiers."""
    body = response.json()
    body.pop("request_id", None)
    text = str(body)
    for identifier in ids.values():
        text = text.replace(identifier, "…")
    return response.status_code, text
