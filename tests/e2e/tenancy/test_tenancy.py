"""Every operation that takes an identifier, asked by every role: for what is theirs, for others', for nobody's."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from millrace_local.routes import SERVICES
from tests.e2e.tenancy.rows import Actor, Ids, Row, Thing, World, unrepeated
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


TABLES = {service: _rows(service) for service in SERVICES}
EXPECTED = [(service, name) for service, rows in TABLES.items() for name in rows]


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


@pytest.mark.parametrize("service", SERVICES)
def test_no_operation_with_an_identifier_is_left_out(platform: Platform, service: str) -> None:
    document = httpx.get(f"{platform.variables[f'MILLRACE_{service.upper()}_URL']}/openapi.json").json()
    assert {operation.name for operation in operations_with_ids(document)} == TABLES[service].keys()


@pytest.mark.parametrize(("service", "operation"), EXPECTED, ids=[name for _, name in EXPECTED])
def test_each_role_is_answered_as_the_table_says(world: World, service: str, operation: str) -> None:
    row = TABLES[service][operation]
    walk = _Walk(world, service, operation, row)
    for actor in Actor:
        walk.ask_for_what_is_there(actor)
        walk.ask_for_what_nobody_has(actor)
    walk.ask_under_an_own_name()


class _Walk:
    """The requests to one operation."""

    def __init__(self, world: World, service: str, operation: str, row: Row) -> None:
        self._world = world
        self._service = service
        self._method, _, self._path = operation.partition(" ")
        self._row = row
        self._made: Thing | None = None
        self._refused: dict[Actor, Any] = {}

    def ask_for_what_is_there(self, actor: Actor) -> None:
        thing = self._thing()
        answer = self._ask(self._account(actor, thing), thing.ids)
        assert answer.status_code == self._row.answers[actor], f"{actor}: {answer.text}"
        if answer.is_success:
            if self._method != "GET":
                self._made = None
        elif answer.status_code != httpx.codes.CONFLICT:
            self._refused[actor] = _told(answer, thing.ids)

    def ask_for_what_nobody_has(self, actor: Actor) -> None:
        thing = self._thing()
        ids = self._row.nobodys(thing.ids)
        answer = self._ask(self._account(actor, thing), ids)
        if actor in self._refused:
            assert _told(answer, ids) == self._refused[actor], f"{actor} can tell what is there"
        else:
            assert answer.status_code == self._row.unknown, f"{actor}: {answer.text}"

    def ask_under_an_own_name(self) -> None:
        """Another patient names itself, and what belongs to the patient."""
        ids = dict(self._thing().ids)
        if "patient_id" not in ids or len(ids) == 1:
            return
        stranger = self._world.actors[Actor.OTHER_PATIENT]
        theirs, nobodys = ({**each, "patient_id": stranger.id} for each in (ids, self._row.nobodys(ids)))
        answer = self._ask(stranger, theirs)
        assert answer.status_code == self._row.crossing, answer.text
        if not answer.is_success:
            assert _told(answer, theirs) == _told(self._ask(stranger, nobodys), nobodys)

    def _thing(self) -> Thing:
        if self._made is None:
            self._made = self._row.thing(self._world)
        return self._made

    def _account(self, actor: Actor, thing: Thing) -> Account:
        return thing.owner if actor is Actor.PATIENT and thing.owner is not None else self._world.actors[actor]

    def _ask(self, account: Account, ids: Ids) -> httpx.Response:
        request = self._world.http.build_request(
            self._method,
            self._world.url(self._service) + self._path.format_map(ids),
            params={name: ids[name] for name in self._row.query},
            json=self._row.body(ids),
            headers={**account.headers, **unrepeated(), **self._row.headers},
        )
        answer = self._world.http.send(request, stream=True)
        # A stream of events doesn't end by itself.
        if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            answer.read()
        answer.close()
        return answer


def _told(answer: httpx.Response, ids: Ids) -> tuple[int, str]:
    """What a refusal tells, but for the request's own id and the identifiers that were asked for."""
    told = answer.json()
    told.pop("request_id", None)
    text = str(told)
    for identifier in ids.values():
        text = text.replace(identifier, "…")
    return answer.status_code, text
