"""Permissions to book, references to practices and plans, and the data that a booked visit shares."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from millrace_contracts.entities import Appointment, InsurancePlan, Practice
from millrace_contracts.registry import APPOINTMENT, INSURANCE_PLAN
from millrace_contracts.registry import PRACTICE as PRACTICE_CONTRACT
from millrace_patients.directory.client import open_directory
from millrace_patients.directory.model import EntryKind
from millrace_patients.patient.model import PublicPatient, list_missing_fields
from millrace_patients.schema import share, visit_share
from millrace_platform.errors import Unavailable
from millrace_platform.tls import client_context
from millrace_platform.unit_of_work import Event

from .running import OTHER_PRACTICE, PLAN, PRACTICE, PROFILE, UNKNOWN, Account, Service

CHILD = {"given_name": "Byron", "family_name": "King", "birth_date": "2015-05-12", "relationship": "child"}
CARD = {"plan_id": PLAN, "member_id": "W123456789"}
FULL_PROFILE = {
    **PROFILE,
    "sex": "F",
    "language": "es",
    "phone": "312-555-0142",
    "address": {"line1": "1 Main St", "city": "Salem", "state": "MA", "zip": "01970"},
}


def appointment_of(patient: Account, **changes: Any) -> Appointment:
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "provider_location_id": str(uuid4()),
        "npi": "1234567893",
        "patient_id": patient.id,
        "start": "2026-11-24T09:30:00-05:00",
        "minutes": 30,
        "state": "booked",
        "practice_id": PRACTICE,
    }
    return Appointment(**{**values, **changes})


def booked(appointment: Appointment, version: int = 1) -> Event:
    return Event.of_entity(APPOINTMENT, appointment, action="created", version=version)


async def add(service: Service, account: Account, kind: str, body: dict[str, Any]) -> str:
    response = await service.client.post(f"{account.path}/{kind}", json=body, headers=account.headers)
    assert response.status_code == 201, response.text
    identifier: str = response.json()["id"]
    return identifier


async def shown_ids(service: Service, staff: Account, patient: Account, kind: str) -> set[str]:
    response = await service.client.get(f"{patient.path}/{kind}", headers=staff.headers_with("TREAT"))
    return {each["id"] for each in response.json()["items"]} if response.status_code == 200 else set()


@pytest.fixture
async def staff(service: Service) -> Account:
    return await service.account("desk@example.org", "staff", practices=[PRACTICE])


@pytest.mark.parametrize(
    ("state", "may_book", "has_email", "missing"),
    [
        (None, False, True, ("given_name", "family_name", "birth_date")),
        (None, False, False, ("given_name", "family_name", "birth_date", "phone")),
        ("erased", False, False, ("given_name", "family_name", "birth_date", "phone")),
        ("active", False, False, ("phone",)),
        ("active", True, False, ()),
    ],
)
def test_missing_fields_are_those_a_booking_asks_for(
    state: Any, may_book: bool, has_email: bool, missing: tuple[str, ...]
) -> None:
    patient = None if state is None else PublicPatient(UUID(int=1), state, 1, may_book)
    assert list_missing_fields(patient, has_verified_email=has_email) == missing


class TestPermissions:
    async def test_account_without_profile_may_not_book(self, service: Service, account: Account) -> None:
        found = await permissions(service, account)
        assert (found["may_book"], found["missing"]) == (False, ["given_name", "family_name", "birth_date"])

    async def test_profile_of_a_verified_address_may_book_with_its_records(
        self, service: Service, ada: Account
    ) -> None:
        child = await add(service, ada, "dependants", CHILD)
        card = await add(service, ada, "insurance-cards", CARD)
        assert await permissions(service, ada) == {
            "may_book": True,
            "missing": [],
            "dependant_ids": [child],
            "insurance_card_ids": [card],
            "registered_at": datetime.fromtimestamp(service.clock.time(), UTC).isoformat().replace("+00:00", "Z"),
        }

    async def test_without_a_verified_address_the_phone_decides(self, service: Service, ada: Account) -> None:
        async with service.database.transaction() as session:
            await session.driver.execute("UPDATE account SET sealed_email = NULL")
        for version, phone in ((1, None), (2, "312-555-0142"), (3, None)):
            headers = {**ada.headers, "If-Match": f'"{version}"'}
            # The language makes each profile a new version.
            body = {**PROFILE, "phone": phone, "language": ("en", "es", "fr")[version - 1]}
            assert (await service.client.put(ada.path, json=body, headers=headers)).status_code == 200
            found = await permissions(service, ada)
            assert (found["may_book"], found["missing"]) == (phone is not None, [] if phone else ["phone"])
        assert [bool(b'"may_book":true' in bytes(each.data)) for each in await service.published(4)] == [
            True,
            False,
            True,
            False,
        ]


class TestReferences:
    async def test_share_with_an_unknown_practice_is_refused(self, service: Service, ada: Account) -> None:
        response = await service.client.put(f"{ada.path}/practices/{UNKNOWN}", headers=ada.headers)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "practice_id")

    async def test_card_of_an_unknown_plan_is_refused(self, service: Service, ada: Account) -> None:
        card = await add(service, ada, "insurance-cards", CARD)
        wrong, headers = {**CARD, "plan_id": "NO-PLAN"}, {**ada.headers, "If-Match": '"1"'}
        for method, suffix in (("POST", ""), ("PUT", f"/{card}")):
            path = f"{ada.path}/insurance-cards{suffix}"
            response = await service.client.request(method, path, json=wrong, headers=headers)
            assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "plan_id")

    async def test_staff_of_an_unknown_practice_is_refused(self, service: Service, account: Account) -> None:
        admin = await service.account("admin@example.org", "admin")
        body = {"roles": ["staff"], "practices": [PRACTICE, UNKNOWN]}
        path = f"/v1/auth/accounts/{account.id}/roles"
        response = await service.client.put(path, json=body, headers=admin.headers)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "practices")

    async def test_card_of_a_plan_that_was_deleted_can_be_corrected(self, service: Service, ada: Account) -> None:
        card = await add(service, ada, "insurance-cards", CARD)
        service.directory.known.clear()
        path, headers = f"{ada.path}/insurance-cards/{card}", {**ada.headers, "If-Match": '"1"'}
        corrected = await service.client.put(path, json={**CARD, "member_id": "W9"}, headers=headers)
        assert corrected.status_code == 200

    async def test_callers_without_access_learn_nothing_of_the_directory(
        self, service: Service, ada: Account, staff: Account
    ) -> None:
        service.directory.lookups.clear()
        for path in (f"practices/{UNKNOWN}", f"practices/{PRACTICE}"):
            response = await service.client.put(f"{ada.path}/{path}", headers=staff.headers_with("TREAT"))
            assert response.status_code == 404
        assert service.directory.lookups == []

    async def test_consumed_practice_and_plan_need_no_lookup(self, service: Service, ada: Account) -> None:
        practice = Practice(id=UNKNOWN, name="New Practice")
        plan = InsurancePlan(id="NEW-PLAN", name="New Plan")
        await service.publish(
            Event.of_entity(PRACTICE_CONTRACT, practice, action="created", version=1),
            Event.of_entity(INSURANCE_PLAN, plan, action="created", version=1),
        )
        assert (await service.client.put(f"{ada.path}/practices/{UNKNOWN}", headers=ada.headers)).status_code == 204
        await add(service, ada, "insurance-cards", {**CARD, "plan_id": "NEW-PLAN"})
        assert service.directory.lookups == []

    async def test_deleted_practice_is_unknown_even_if_older_events_come_late(
        self, service: Service, ada: Account
    ) -> None:
        practice = Practice(id=UNKNOWN, name="Old Practice")
        await service.publish(Event.of_deletion(PRACTICE_CONTRACT, UNKNOWN, version=2))
        await service.publish(Event.of_entity(PRACTICE_CONTRACT, practice, action="created", version=1))
        assert (await service.client.put(f"{ada.path}/practices/{UNKNOWN}", headers=ada.headers)).status_code == 422

    async def test_share_is_unavailable_not_refused_while_the_directory_does_not_respond(
        self, service: Service, ada: Account
    ) -> None:
        service.directory.is_available = False
        response = await service.client.put(f"{ada.path}/practices/{UNKNOWN}", headers=ada.headers)
        assert response.status_code == 503

    async def test_client_reports_an_unreachable_directory_as_unavailable(self) -> None:
        async with open_directory("http://127.0.0.1:9", client_context(None)) as directory:
            with pytest.raises(Unavailable):
                await directory.exists(EntryKind.PRACTICE, UNKNOWN)


class TestSharing:
    async def test_booked_visit_shares_what_it_needs(self, service: Service, ada: Account, staff: Account) -> None:
        headers = {**ada.headers, "If-Match": '"1"'}
        await service.client.put(ada.path, json=FULL_PROFILE, headers=headers)
        card = await add(service, ada, "insurance-cards", CARD)
        child = await add(service, ada, "dependants", CHILD)
        await add(service, ada, "insurance-cards", {**CARD, "dependant_id": child})
        purpose = staff.headers_with("TREAT")
        assert (await service.client.get(ada.path, headers=purpose)).status_code == 404

        await service.publish(booked(appointment_of(ada)))
        shown = (await service.client.get(ada.path, headers=purpose)).json()
        expected = {**FULL_PROFILE, "sex": None, "language": None, "email": "ada@example.org"}
        expected["address"] = {**FULL_PROFILE["address"], "line2": None}  # type: ignore[dict-item]
        assert shown == {**expected, "id": ada.id, "version": 2}
        assert await shown_ids(service, staff, ada, "insurance-cards") == {card}
        assert await shown_ids(service, staff, ada, "dependants") == set()
        path = f"{ada.path}/dependants/{child}"
        assert (await service.client.get(path, headers=purpose)).status_code == 404
        accesses = (await service.client.get(f"{ada.path}/accesses", headers=ada.headers)).json()["items"]
        created = next(each for each in accesses if each["what"] == f"share/{PRACTICE}")
        assert (created["deed"], created["actor"], created["purpose"]) == ("create", None, "TREAT")
        listed = (await service.client.get(f"{ada.path}/practices", headers=ada.headers)).json()["items"]
        assert [(each["practice_id"], each["scope"]) for each in listed] == [(PRACTICE, "visits")]

    async def test_visit_of_a_dependant_shares_the_dependant_and_its_cards(
        self, service: Service, ada: Account, staff: Account
    ) -> None:
        child = await add(service, ada, "dependants", CHILD)
        await add(service, ada, "dependants", {**CHILD, "given_name": "Ralph"})
        await add(service, ada, "insurance-cards", CARD)
        cards = {await add(service, ada, "insurance-cards", {**CARD, "dependant_id": child}) for _ in range(2)}
        await service.publish(booked(appointment_of(ada, dependant_id=child)))
        assert await shown_ids(service, staff, ada, "dependants") == {child}
        assert await shown_ids(service, staff, ada, "insurance-cards") == cards

    async def test_named_card_is_the_only_one_shared(self, service: Service, ada: Account, staff: Account) -> None:
        card, _other = [await add(service, ada, "insurance-cards", CARD) for _ in range(2)]
        await service.publish(booked(appointment_of(ada, insurance_card_id=card)))
        assert await shown_ids(service, staff, ada, "insurance-cards") == {card}

    async def test_later_events_do_not_restore_a_share_that_was_ended(
        self, service: Service, ada: Account, staff: Account
    ) -> None:
        purpose, visit = staff.headers_with("TREAT"), appointment_of(ada)
        await service.publish(booked(visit), booked(visit, 2))
        path = f"{ada.path}/practices/{PRACTICE}"
        assert (await service.client.delete(path, headers=ada.headers)).status_code == 204
        await service.publish(booked(visit, 3))
        assert (await service.client.get(ada.path, headers=purpose)).status_code == 404

        child = await add(service, ada, "dependants", CHILD)
        await service.publish(booked(appointment_of(ada, dependant_id=child)))
        assert await shown_ids(service, staff, ada, "dependants") == {child}
        accesses = (await service.client.get(f"{ada.path}/accesses", headers=ada.headers)).json()["items"]
        assert [each["deed"] for each in accesses if each["what"] == f"share/{PRACTICE}"] == [
            "create",
            "delete",
            "create",
        ]

    async def test_share_of_all_data_is_not_narrowed_by_a_visit(
        self, service: Service, ada: Account, staff: Account
    ) -> None:
        child = await add(service, ada, "dependants", CHILD)
        path = f"{ada.path}/practices/{PRACTICE}"
        await service.publish(booked(appointment_of(ada)))
        await service.client.put(path, headers=ada.headers)
        await service.publish(booked(appointment_of(ada)))
        assert await shown_ids(service, staff, ada, "dependants") == {child}

    @pytest.mark.parametrize("change", [{"state": "cancelled"}, {"practice_id": None}, {"practice_id": OTHER_PRACTICE}])
    async def test_practice_without_a_visit_reads_nothing(
        self, service: Service, ada: Account, staff: Account, change: dict[str, Any]
    ) -> None:
        await service.publish(booked(appointment_of(ada, **change)))
        assert (await service.client.get(ada.path, headers=staff.headers_with("TREAT"))).status_code == 404

    async def test_erased_and_unknown_patients_are_not_shared(self, service: Service, ada: Account) -> None:
        visit = appointment_of(ada)
        await service.publish(booked(visit))
        await service.client.delete(ada.path, headers=ada.headers)
        await service.publish(booked(visit, 2), booked(appointment_of(ada)))
        await service.publish(booked(appointment_of(ada, patient_id=UNKNOWN)))
        assert await service.feeds.dead_letters.count("patients") == 0
        async with service.database.read() as session:
            for table in (share, visit_share):
                assert await session.scalar(select(func.count()).select_from(table)) == 0

    async def test_invalid_records_are_dead_lettered(self, service: Service, ada: Account) -> None:
        await service.publish(booked(appointment_of(ada, practice_id="not-a-uuid")), booked(appointment_of(ada)))
        assert await service.feeds.dead_letters.count("patients") == 1


async def permissions(service: Service, account: Account) -> Any:
    return (await service.client.get(f"/internal/patients/{account.id}/booking-permissions")).json()
