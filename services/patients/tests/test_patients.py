"""Profiles, dependants, insurance cards, shares, export and erasure through the API."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import iter_route_contexts
from sqlalchemy import select

from millrace_feeds.clock import rfc3339
from millrace_patients.schema import account as account_table
from millrace_patients.schema import person, record

from .running import OTHER_PRACTICE, PASSWORD, PLAN, PRACTICE, PROFILE, UNKNOWN, Account, Service, running, settings_for

CHILD = {"given_name": "Byron", "family_name": "King", "birth_date": "2015-05-12", "relationship": "child"}
CARD = {"plan_id": PLAN, "member_id": "W123456789"}


async def create_record(service: Service, account: Account, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    response = await service.client.post(f"{account.path}/{kind}", json=body, headers=account.headers)
    assert response.status_code == 201, response.text
    assert response.headers["Location"].endswith(response.json()["id"])
    created: dict[str, Any] = response.json()
    return created


class TestProfile:
    async def test_birth_date_must_not_be_a_number(self, service: Service, account: Account) -> None:
        response = await service.client.put(account.path, json={**PROFILE, "birth_date": 0}, headers=account.headers)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "birth_date")

    async def test_first_profile_creates_a_patient_and_changes_require_the_etag(
        self, service: Service, account: Account
    ) -> None:
        get, put = service.client.get, service.client.put
        assert (await get(account.path, headers=account.headers)).status_code == 404
        first = await put(account.path, json=PROFILE, headers=account.headers)
        assert (first.status_code, first.headers["ETag"]) == (201, '"1"')
        shown = await get(account.path, headers=account.headers)
        assert shown.json() == first.json()
        assert shown.headers["Cache-Control"] == "no-store"
        changed = {**shown.json(), "phone": "(312) 555-0142"}
        assert (await put(account.path, json=changed, headers=account.headers)).status_code == 428
        stale = {**account.headers, "If-Match": '"9"'}
        assert (await put(account.path, json=changed, headers=stale)).status_code == 412
        fresh = {**account.headers, "If-Match": '"1"'}
        second = await put(account.path, json=changed, headers=fresh)
        assert (second.status_code, second.headers["ETag"]) == (200, '"2"')
        assert second.json()["phone"] == "(312) 555-0142"

    async def test_one_of_concurrent_changes_succeeds(self, service: Service, ada: Account) -> None:
        headers = {**ada.headers, "If-Match": '"1"'}
        responses = await asyncio.gather(
            *(
                service.client.put(ada.path, json={**PROFILE, "phone": f"312 555 010{n}"}, headers=headers)
                for n in range(6)
            )
        )
        assert sorted(response.status_code for response in responses) == [200, *[412] * 5]

    async def test_one_of_concurrent_creations_succeeds(self, service: Service, account: Account) -> None:
        responses = await asyncio.gather(
            *(service.client.put(account.path, json=PROFILE, headers=account.headers) for _ in range(6))
        )
        assert sorted(response.status_code for response in responses) == [201, *[428] * 5]

    async def test_invalid_fields_are_named_but_not_quoted(self, service: Service, account: Account) -> None:
        body = {**PROFILE, "birth_date": "1700-01-01", "sex": "secret-value", "colour": "secret-value"}
        response = await service.client.put(account.path, json=body, headers=account.headers)
        assert response.status_code == 422
        assert {error["field"] for error in response.json()["errors"]} == {"birth_date", "sex", "colour"}
        assert "secret-value" not in response.text
        assert "1700" not in response.text


@pytest.mark.parametrize(
    ("kind", "body", "change"), [("dependants", CHILD, "given_name"), ("insurance-cards", CARD, "member_id")]
)
async def test_record_is_created_read_replaced_and_deleted(
    service: Service, ada: Account, kind: str, body: dict[str, Any], change: str
) -> None:
    created = await create_record(service, ada, kind, body)
    path = f"{ada.path}/{kind}/{created['id']}"
    assert (await service.client.get(path, headers=ada.headers)).json() == created
    listed = await service.client.get(f"{ada.path}/{kind}", headers=ada.headers)
    assert listed.json() == {"items": [created]}
    assert (await service.client.put(path, json={**created, change: "New"}, headers=ada.headers)).status_code == 428
    headers = {**ada.headers, "If-Match": '"1"'}
    changed = await service.client.put(path, json={**created, change: "New"}, headers=headers)
    assert (changed.json()[change], changed.headers["ETag"]) == ("New", '"2"')
    assert (await service.client.delete(path, headers=headers)).status_code == 412
    gone = await service.client.delete(path, headers={**ada.headers, "If-Match": '"2"'})
    assert gone.status_code == 204
    assert (await service.client.get(path, headers=ada.headers)).status_code == 404
    assert (await service.client.get(f"{ada.path}/{kind}", headers=ada.headers)).json() == {"items": []}


async def test_card_may_refer_to_a_dependant_of_the_same_patient(service: Service) -> None:
    ada, bob = await service.patient("a@example.org"), await service.patient("b@example.org")
    child = await create_record(service, ada, "dependants", CHILD)
    card = await create_record(service, ada, "insurance-cards", {**CARD, "dependant_id": child["id"]})
    assert card["dependant_id"] == child["id"]
    for owner in (child["id"], UNKNOWN):
        response = await service.client.post(
            f"{bob.path}/insurance-cards", json={**CARD, "dependant_id": owner}, headers=bob.headers
        )
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "dependant_id")


async def test_records_require_a_profile_and_are_limited(service: Service, account: Account) -> None:
    path = f"{account.path}/insurance-cards"
    assert (await service.client.post(path, json=CARD, headers=account.headers)).status_code == 409
    await service.client.put(account.path, json=PROFILE, headers=account.headers)
    for _ in range(50):
        await create_record(service, account, "insurance-cards", CARD)
    assert (await service.client.post(path, json=CARD, headers=account.headers)).status_code == 409


def requests_on(owner: Account, child: str, card: str) -> list[tuple[str, str, Any]]:
    """Return a request (method, path, body) for every route of a patient."""
    return [
        ("GET", owner.path, None),
        ("PUT", owner.path, PROFILE),
        ("DELETE", owner.path, None),
        ("GET", f"{owner.path}/export", None),
        ("GET", f"{owner.path}/accesses", None),
        ("POST", f"{owner.path}/email-confirmation", None),
        ("POST", f"{owner.path}/email-confirmation/confirm", {"token": "unknown"}),
        ("GET", f"{owner.path}/practices", None),
        ("PUT", f"{owner.path}/practices/{PRACTICE}", None),
        ("DELETE", f"{owner.path}/practices/{PRACTICE}", None),
        *(
            request
            for kind, identifier, body in (("dependants", child, CHILD), ("insurance-cards", card, CARD))
            for request in (
                ("GET", f"{owner.path}/{kind}", None),
                ("POST", f"{owner.path}/{kind}", body),
                ("GET", f"{owner.path}/{kind}/{identifier}", None),
                ("PUT", f"{owner.path}/{kind}/{identifier}", body),
                ("DELETE", f"{owner.path}/{kind}/{identifier}", None),
            )
        ),
    ]


READABLE_BY_STAFF = {"", "/dependants", "/dependants/{}", "/insurance-cards", "/insurance-cards/{}"}


async def test_routes_respond_to_other_roles_as_for_unknown_ids(service: Service, ada: Account) -> None:
    child, card = (
        (await create_record(service, ada, "dependants", CHILD))["id"],
        (await create_record(service, ada, "insurance-cards", CARD))["id"],
    )
    await service.client.put(f"{ada.path}/practices/{PRACTICE}", headers=ada.headers)
    others = {
        "another patient": await service.patient("bob@example.org"),
        "staff of another practice": await service.account("s@example.org", "staff", practices=[OTHER_PRACTICE]),
        "staff of the practice": await service.account("t@example.org", "staff", practices=[PRACTICE]),
        "support": await service.account("support@example.org", "support"),
        "admin": await service.account("admin@example.org", "admin"),
    }
    unknown_owner = Account(UNKNOWN, "", {})
    routes = {(route.path, method) for route in _routes(service) for method in route.methods}
    covered = set()
    for (method, path, body), (_, unknown, _) in zip(
        requests_on(ada, child, card), requests_on(unknown_owner, UNKNOWN, UNKNOWN), strict=True
    ):
        template = path.replace(ada.id, "{patient_id}").replace(child, "{record_id}").replace(card, "{record_id}")
        covered.add((template.replace(PRACTICE, "{practice_id}"), method))
        for role, account in others.items():
            headers = {**account.headers_with("TREAT"), "If-Match": "*"}
            actual = await service.client.request(method, path, json=body, headers=headers)
            unknown_response = await service.client.request(method, unknown, json=body, headers=headers)
            below = path.removeprefix(ada.path).replace(child, "{}").replace(card, "{}")
            allowed = method == "GET" and (
                (role == "staff of the practice" and below in READABLE_BY_STAFF) or (role == "support" and below == "")
            )
            assert actual.status_code == (200 if allowed else 404), (role, method, path, actual.text)
            assert unknown_response.status_code == 404, (role, method, unknown)
            if not allowed:
                assert _without_request_id(actual) == _without_request_id(unknown_response), (role, method, path)
        anonymous = await service.client.request(method, path, json=body, headers={"If-Match": "*"})
        assert anonymous.status_code == 401
    assert covered == {route for route in routes if route[0].startswith("/v1/patients/{patient_id}")}


def _routes(service: Service) -> list[Any]:
    return [route for route in iter_route_contexts(service.app.routes) if route.methods]


def _without_request_id(response: Any) -> dict[str, Any]:
    return {name: value for name, value in response.json().items() if name != "request_id"}


async def test_record_is_found_under_its_own_patient_only(service: Service) -> None:
    ada, bob = await service.patient("a@example.org"), await service.patient("b@example.org")
    child = await create_record(service, ada, "dependants", CHILD)
    mine = {**bob.headers, "If-Match": "*"}
    for method, body in (("GET", None), ("PUT", CHILD), ("DELETE", None)):
        response = await service.client.request(method, f"{bob.path}/dependants/{child['id']}", json=body, headers=mine)
        assert response.status_code == 404
    # A dependant is not found as an insurance card.
    path = f"{ada.path}/insurance-cards/{child['id']}"
    assert (await service.client.get(path, headers=ada.headers)).status_code == 404


async def test_staff_reads_shared_data_with_a_purpose(service: Service, ada: Account) -> None:
    staff = await service.account("s@example.org", "staff", practices=[PRACTICE])
    path = f"{ada.path}/practices/{PRACTICE}"
    assert (await service.client.get(ada.path, headers=staff.headers_with("TREAT"))).status_code == 404
    assert (await service.client.put(path, headers=ada.headers)).status_code == 204
    assert (await service.client.get(ada.path, headers=staff.headers_with("HPAYMT"))).json()["given_name"] == "Ada"
    for headers in (staff.headers, staff.headers_with("CURIOSITY")):
        response = await service.client.get(ada.path, headers=headers)
        assert response.status_code == 422
        assert "purpose" in response.json()["errors"][0]["field"].lower()
    shared = await service.client.get(f"{ada.path}/practices", headers=ada.headers)
    assert [each["practice_id"] for each in shared.json()["items"]] == [PRACTICE]
    assert (await service.client.delete(path, headers=ada.headers)).status_code == 204
    assert (await service.client.delete(path, headers=ada.headers)).status_code == 404
    assert (await service.client.get(ada.path, headers=staff.headers_with("TREAT"))).status_code == 404


async def test_export_contains_all_data(service: Service, ada: Account) -> None:
    child = await create_record(service, ada, "dependants", CHILD)
    card = await create_record(service, ada, "insurance-cards", CARD)
    await service.client.put(f"{ada.path}/practices/{PRACTICE}", headers=ada.headers)
    response = await service.client.get(f"{ada.path}/export", headers=ada.headers)
    assert response.headers["Content-Disposition"].startswith("attachment")
    exported = response.json()
    assert exported["account"]["email"] == "ada@example.org"
    assert exported["profile"]["given_name"] == "Ada"
    assert (exported["dependants"], exported["insurance_cards"]) == ([child], [card])
    assert [each["practice_id"] for each in exported["practices"]] == [PRACTICE]
    assert len(exported["account"]["sessions"]) == 1
    assert {(each["deed"], each["what"]) for each in exported["accesses"]} >= {
        ("create", "profile"),
        ("create", f"insurance-card/{card['id']}"),
        ("create", f"share/{PRACTICE}"),
    }
    assert "argon2" not in response.text


class TestErasure:
    async def test_erasure_leaves_only_ids(self, service: Service, ada: Account) -> None:
        child = await create_record(service, ada, "dependants", CHILD)
        await service.post("/v1/auth/password-reset", {"email": "ada@example.org"})
        token = await service.emailed_token("ada@example.org", "reset_password")
        assert (await service.client.delete(ada.path, headers=ada.headers)).status_code == 204

        for method, path, body in requests_on(ada, child["id"], child["id"]):
            response = await service.client.request(method, path, json=body, headers={**ada.headers, "If-Match": "*"})
            assert response.status_code == 401, (method, path)
        assert (await service.try_sign_in("ada@example.org")).status_code == 401
        refreshed = await service.post("/v1/auth/refresh", {"refresh_token": ada.tokens["refresh_token"]})
        assert refreshed.status_code == 401
        reset = await service.post("/v1/auth/password-reset/confirm", {"token": token, "password": PASSWORD})
        assert reset.status_code == 422
        assert [email for email in await service.queued_emails() if email["to"] == "ada@example.org"] == []

        async with service.database.read() as session:
            key = (await session.execute(select(person.c.wrapped_key, person.c.erased_at))).one()
            rows = (await session.execute(select(record.c.sealed, record.c.deleted_at))).all()
            account = (await session.execute(select(account_table))).mappings().one()
        assert key.wrapped_key is None
        assert key.erased_at is not None
        assert all(row.sealed is None and row.deleted_at is not None for row in rows)
        assert (account["email_index"], account["sealed_email"], account["password_hash"]) == (None, None, None)
        assert str(account["id"]) == ada.id

    async def test_erased_address_can_sign_up_again(self, service: Service, ada: Account) -> None:
        await service.client.delete(ada.path, headers=ada.headers)
        again = await service.account("ada@example.org")
        assert again.id != ada.id
        assert (await service.client.get(again.path, headers=again.headers)).status_code == 404

    async def test_erasure_requires_a_recent_sign_in(self, service: Service, ada: Account) -> None:
        service.clock.now += 400
        response = await service.client.delete(ada.path, headers=ada.headers)
        assert response.status_code == 401
        assert 'error="insufficient_user_authentication"' in response.headers["WWW-Authenticate"]
        refreshed = await service.post("/v1/auth/refresh", {"refresh_token": ada.tokens["refresh_token"]})
        renewed = Account(ada.id, ada.email, refreshed.json())
        assert (await service.client.delete(ada.path, headers=renewed.headers)).status_code == 401
        fresh = await service.sign_in("ada@example.org")
        assert (await service.client.delete(ada.path, headers=fresh.headers)).status_code == 204

    async def test_account_without_a_profile_can_be_erased(self, service: Service, account: Account) -> None:
        exported = await service.client.get(f"{account.path}/export", headers=account.headers)
        assert exported.json()["account"]["email"] == "a@example.org"
        assert (await service.client.delete(account.path, headers=account.headers)).status_code == 204
        assert (await service.try_sign_in("a@example.org")).status_code == 401


async def test_feed_contains_ids_and_states_only(service: Service, ada: Account) -> None:
    child = (await create_record(service, ada, "dependants", CHILD))["id"]
    card = (await create_record(service, ada, "insurance-cards", CARD))["id"]
    for path, body in ((ada.path, {**PROFILE, "phone": "312 555 0142"}), (f"{ada.path}/dependants/{child}", CHILD)):
        assert (
            await service.client.put(path, json=body, headers={**ada.headers, "If-Match": '"1"'})
        ).status_code == 200
    await service.client.delete(f"{ada.path}/insurance-cards/{card}", headers={**ada.headers, "If-Match": '"1"'})
    await service.client.delete(ada.path, headers=ada.headers)
    published = [
        (each.type, each.subject, each.entityversion, json.loads(bytes(each.data)))
        for each in await service.published(6)
        if each.subject == f"patient/{ada.id}"
    ]

    def state(name: str, *, dependants: Sequence[str] = (), cards: Sequence[str] = ()) -> dict[str, Any]:
        ids = {"dependant_ids": list(dependants), "insurance_card_ids": list(cards)}
        began = rfc3339(service.clock.time()) if name == "active" else None
        return {"id": ada.id, "state": name, "may_book": name == "active", **ids, "registered_at": began}

    subject = f"patient/{ada.id}"
    assert published == [
        ("millrace.patient.created", subject, 1, state("active")),
        ("millrace.patient.updated", subject, 2, state("active", dependants=[child])),
        ("millrace.patient.updated", subject, 3, state("active", dependants=[child], cards=[card])),
        ("millrace.patient.updated", subject, 4, state("active", dependants=[child])),
        ("millrace.patient.updated", subject, 5, state("erased")),
    ]


async def test_replay_publishes_all_patients_with_their_versions(service: Service) -> None:
    ada, bob = await service.patient("a@example.org"), await service.patient("b@example.org")
    child = await create_record(service, bob, "dependants", CHILD)
    await service.client.delete(ada.path, headers=ada.headers)
    before = len(await service.published(5))
    assert (await service.client.post("/internal/patients/replay")).json() == {"count": 3, "next": None}
    again = (await service.published(before + 3))[before:]
    of_bob = json.loads(next(bytes(each.data) for each in again if each.subject == f"patient/{bob.id}"))
    assert (of_bob["may_book"], of_bob["dependant_ids"]) == (True, [child["id"]])
    assert {(each.subject, each.entityversion, each.replay) for each in again} == {
        (f"account/{ada.id}", 1, True),
        (f"patient/{ada.id}", 2, True),
        (f"patient/{bob.id}", 2, True),
    }


async def test_first_profile_creates_the_person_with_an_external_issuer(postgres_dsn: str) -> None:
    async with running(settings_for(postgres_dsn)) as local:
        account = await local.account("a@example.org")
        verifier = local.app.state.verifier.verifier
        issuer = local.app.state.identity.issuer
    async with running(
        settings_for(
            postgres_dsn + "", patients_identity="cognito", patients_master_keys=local.settings.patients_master_keys
        )
    ) as service:
        service.app.state.verifier = replace(service.app.state.verifier, verifier=verifier)
        assert (await service.try_sign_in("a@example.org")).status_code == 404
        stranger = Account(account.id, "", account.tokens)
        first = await service.client.put(stranger.path, json=PROFILE, headers=stranger.headers)
        assert first.status_code == 201
        service.clock.now += 1
        assert (await service.client.delete(stranger.path, headers=stranger.headers)).status_code == 204
        assert (await service.client.get(stranger.path, headers=stranger.headers)).status_code == 401
        # The other issuer doesn't know of the erasure.
        issuer.clock.now += 2
        token = issuer.issue(
            UUID(account.id),
            roles=[],
            practices=[],
            session=None,
            authenticated_at=service.app.state.patients.units.now(),
            has_second_factor=False,
        )
        stranger.tokens["access_token"] = token
        for method, body in (("GET", None), ("PUT", PROFILE)):
            response = await service.client.request(method, stranger.path, json=body, headers=stranger.headers)
            assert response.status_code == 404
