"""Permissions to book: decided from the copy of the patients, or by `patients` before a refusal."""

from uuid import UUID, uuid4

import httpx
import pytest

from millrace_contracts.entities import Patient
from millrace_platform.errors import Unavailable
from millrace_platform.service_tokens import CallPurpose, ServiceTokenSigner, ServiceTokenVerifier
from millrace_platform.testing import SERVICE_KEY, ManualClock
from millrace_platform.tls import client_context
from millrace_scheduling.patient.client import PatientsClient, open_patients
from millrace_scheduling.patient.model import BookingPermissions

from .booking import NINE, TEN, Client, bookable_location, key, new_patient
from .running import Service

CHILD, CARD, FOREIGN = (str(uuid4()) for _ in range(3))
NOBODY = BookingPermissions(may_book=False, missing=("given_name", "birth_date"))
WAIT = {"from": "2026-11-21", "to": "2026-11-22"}
"""A weekend, on which the location has no free times."""


@pytest.fixture
async def location(service: Service) -> str:
    return await bookable_location(service)


@pytest.fixture
async def ada(service: Service) -> Client:
    """Return a patient in the copy, with a dependant and a card."""
    ada = new_patient(service)
    entity = Patient(id=ada.id, state="active", may_book=True, dependant_ids=(CHILD,), insurance_card_ids=(CARD,))
    await service.add_patient(entity)
    return ada


async def test_known_patient_books_for_a_dependant_without_a_lookup(
    service: Service, ada: Client, location: str
) -> None:
    held = await ada.hold(location, dependant_id=CHILD)
    booked = await ada.post("/v1/appointments", {"hold_id": held.json()["id"], "insurance_card_id": CARD})
    assert (booked.status_code, booked.json()["dependant_id"], booked.json()["insurance_card_id"]) == (201, CHILD, CARD)
    assert service.patients.lookups == []


async def test_patient_whose_event_has_not_arrived_books_after_one_lookup(service: Service, location: str) -> None:
    ada = new_patient(service)
    await ada.book(location)
    assert service.patients.lookups == [UUID(ada.id)]


async def test_account_without_profile_may_hold_but_not_book(service: Service, location: str) -> None:
    ada = new_patient(service)
    service.patients.permissions[UUID(ada.id)] = NOBODY
    hold = (await ada.hold(location)).json()["id"]
    book = {"hold_id": hold}
    refused = await ada.post("/v1/appointments", book, **key("book"))
    problem = refused.json()
    assert (refused.status_code, problem["type"]) == (409, "urn:millrace:problem:profile-incomplete")
    assert [each["field"] for each in problem["errors"]] == ["given_name", "birth_date"]
    assert f"PUT /v1/patients/{ada.id}" in problem["detail"]
    assert service.latest("appointment") == {}

    service.patients.permissions[UUID(ada.id)] = BookingPermissions(may_book=True)
    booked = await ada.post("/v1/appointments", book, **key("book"))
    assert (booked.status_code, booked.json()["id"]) == (201, hold)


async def test_profile_that_lost_its_phone_no_longer_books(service: Service, ada: Client, location: str) -> None:
    service.patients.permissions[UUID(ada.id)] = BookingPermissions(may_book=False, missing=("phone",))
    await service.add_patient(Patient(id=ada.id, state="active"), version=2)
    hold = (await ada.hold(location)).json()["id"]
    refused = await ada.post("/v1/appointments", {"hold_id": hold})
    assert [each["field"] for each in refused.json()["errors"]] == ["phone"]


async def test_ids_of_others_are_refused_and_named(service: Service, ada: Client, location: str) -> None:
    held = await ada.hold(location, dependant_id=FOREIGN)
    assert (held.status_code, [each["field"] for each in held.json()["errors"]]) == (422, ["dependant_id"])
    joined = await ada.post("/v1/waitlist", {"provider_location_id": location, **WAIT, "dependant_id": FOREIGN})
    assert (joined.status_code, [each["field"] for each in joined.json()["errors"]]) == (422, ["dependant_id"])
    hold = (await ada.hold(location)).json()["id"]
    booked = await ada.post("/v1/appointments", {"hold_id": hold, "insurance_card_id": FOREIGN})
    assert (booked.status_code, [each["field"] for each in booked.json()["errors"]]) == (422, ["insurance_card_id"])
    assert FOREIGN not in booked.text
    assert len(service.patients.lookups) == 3


async def test_dependant_and_card_whose_events_have_not_arrived_are_accepted(
    service: Service, ada: Client, location: str
) -> None:
    added = BookingPermissions(may_book=True, dependant_ids={UUID(FOREIGN)}, insurance_card_ids={UUID(FOREIGN)})
    service.patients.permissions[UUID(ada.id)] = added
    joined = await ada.post("/v1/waitlist", {"provider_location_id": location, **WAIT, "dependant_id": FOREIGN})
    assert joined.status_code == 201
    hold = (await ada.hold(location, dependant_id=FOREIGN)).json()["id"]
    booked = await ada.post("/v1/appointments", {"hold_id": hold, "insurance_card_id": FOREIGN})
    assert (booked.status_code, booked.json()["dependant_id"]) == (201, FOREIGN)


async def test_hold_for_a_dependant_who_was_deleted_since_is_not_booked(
    service: Service, ada: Client, location: str
) -> None:
    hold = (await ada.hold(location, dependant_id=CHILD)).json()["id"]
    await service.add_patient(Patient(id=ada.id, state="active", may_book=True), version=2)
    refused = await ada.post("/v1/appointments", {"hold_id": hold})
    assert (refused.status_code, [each["field"] for each in refused.json()["errors"]]) == (422, ["hold_id"])


async def test_booking_is_unavailable_not_refused_while_patients_does_not_respond(
    service: Service, ada: Client, location: str
) -> None:
    service.patients.is_available = False
    await ada.book(location, NINE)
    unknown = new_patient(service)
    hold = (await unknown.hold(location, TEN)).json()["id"]
    refused = await unknown.post("/v1/appointments", {"hold_id": hold})
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert (await unknown.hold(location, TEN, dependant_id=CHILD)).status_code == 503


async def test_hold_problems_precede_those_of_the_profile(service: Service, location: str) -> None:
    ada = new_patient(service)
    service.patients.permissions[UUID(ada.id)] = NOBODY
    assert (await ada.post("/v1/appointments", {"hold_id": FOREIGN})).status_code == 404
    assert service.patients.lookups == []


async def test_erased_patient_may_not_book(service: Service, ada: Client, location: str) -> None:
    service.patients.permissions[UUID(ada.id)] = NOBODY
    await service.add_patient(Patient(id=ada.id, state="erased"), version=2)
    late = Patient(id=ada.id, state="active", may_book=True)
    await service.add_patient(late, version=1)
    hold = (await ada.hold(location)).json()["id"]
    assert (await ada.post("/v1/appointments", {"hold_id": hold})).status_code == 409


async def test_event_of_a_booking_names_dependant_and_card(service: Service, ada: Client, location: str) -> None:
    hold = (await ada.hold(location, dependant_id=CHILD)).json()["id"]
    await ada.post("/v1/appointments", {"hold_id": hold, "insurance_card_id": CARD})
    await ada.post(f"/v1/appointments/{hold}/confirm")
    shown = (await ada.get(f"/v1/appointments/{hold}")).json()
    assert (shown["version"], shown["dependant_id"], shown["insurance_card_id"]) == (2, CHILD, CARD)


async def test_client_reports_an_unreachable_service_as_unavailable() -> None:
    tokens = ServiceTokenSigner("scheduling", "patients", SERVICE_KEY, ManualClock())
    async with open_patients("http://127.0.0.1:9", client_context(None), tokens) as patients:
        with pytest.raises(Unavailable):
            await patients.find_permissions(uuid4())


async def test_client_sends_a_token_for_its_purpose() -> None:
    clock = ManualClock()
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(404)

    tokens = ServiceTokenSigner("scheduling", "patients", SERVICE_KEY, clock)
    async with httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url="http://patients") as http:
        with pytest.raises(Unavailable):
            await PatientsClient(http, tokens).find_permissions(uuid4())
    verifier = ServiceTokenVerifier("patients", {"scheduling": [SERVICE_KEY]}, clock)
    call = verifier.verify(requests[0].headers["Authorization"].removeprefix("Bearer "))
    assert (call.caller, call.purpose) == ("scheduling", CallPurpose.BOOKING_PERMISSIONS)
