"""Contact lookup by the service that sends messages."""

import httpx

from .running import PROFILE, UNKNOWN, Account, Service

PURPOSE = {"Purpose-Of-Use": "HOPERAT"}


async def find_contacts(service: Service, *patients: str, headers: dict[str, str] = PURPOSE) -> httpx.Response:
    return await service.client.post("/internal/patients/contacts", json={"patient_ids": patients}, headers=headers)


async def test_profile_address_takes_precedence_over_the_account(service: Service, account: Account) -> None:
    first = await find_contacts(service, account.id)
    assert first.json()["items"] == [{"patient_id": account.id, "email": "a@example.org", "given_name": None}]
    assert first.headers["Cache-Control"] == "no-store"
    profile = {**PROFILE, "email": "messages@example.org"}
    assert (await service.client.put(account.path, json=profile, headers=account.headers)).status_code == 201
    (second,) = (await find_contacts(service, account.id)).json()["items"]
    assert second == {"patient_id": account.id, "email": "messages@example.org", "given_name": "Ada"}


async def test_lookup_is_recorded_with_its_purpose(service: Service, ada: Account) -> None:
    await find_contacts(service, ada.id)
    entries = (await service.client.get(f"{ada.path}/accesses", headers=ada.headers)).json()["items"]
    reads = [entry for entry in entries if entry["what"] == "contact"]
    assert [(entry["actor"], entry["deed"], entry["purpose"]) for entry in reads] == [(None, "read", "HOPERAT")]


async def test_lookup_requires_a_purpose(service: Service, ada: Account) -> None:
    response = await find_contacts(service, ada.id, headers={})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "purpose-of-use")
    assert "ada@example.org" not in response.text


async def test_erased_and_unknown_patients_are_left_out(service: Service) -> None:
    account, other = await service.patient("ada@example.org"), await service.patient("bea@example.org")
    assert (await service.client.delete(account.path, headers=account.headers)).status_code == 204
    response = await find_contacts(service, account.id, UNKNOWN, other.id)
    assert [each["patient_id"] for each in response.json()["items"]] == [other.id]


async def test_lookup_is_limited_to_a_hundred_patients(service: Service) -> None:
    response = await find_contacts(service, *(f"01890a5d-ac96-774b-bcce-{number:012}" for number in range(101)))
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "patient_ids")
