"""Where messages to a patient go, as the service that sends them sees it."""

import httpx

from .running import PROFILE, Service

UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"
PURPOSE = {"Purpose-Of-Use": "HOPERAT"}


async def asked(service: Service, *patients: str, headers: dict[str, str] = PURPOSE) -> httpx.Response:
    return await service.client.post("/internal/patients/contacts", json={"patient_ids": patients}, headers=headers)


async def test_the_accounts_address_until_the_profile_names_another(service: Service) -> None:
    account = await service.account("ada@example.org")
    first = await asked(service, account.id)
    assert first.json()["items"] == [{"patient_id": account.id, "email": "ada@example.org", "given_name": None}]
    assert first.headers["Cache-Control"] == "no-store"
    profile = {**PROFILE, "email": "messages@example.org"}
    assert (await service.client.put(account.path, json=profile, headers=account.headers)).status_code == 201
    (second,) = (await asked(service, account.id)).json()["items"]
    assert second == {"patient_id": account.id, "email": "messages@example.org", "given_name": "Ada"}


async def test_each_is_on_the_patients_trail_with_its_purpose(service: Service) -> None:
    account = await service.patient("ada@example.org")
    await asked(service, account.id)
    entries = (await service.client.get(f"{account.path}/accesses", headers=account.headers)).json()["items"]
    told = [entry for entry in entries if entry["what"] == "contact"]
    assert [(entry["actor"], entry["deed"], entry["purpose"]) for entry in told] == [(None, "read", "HOPERAT")]


async def test_no_purpose_no_contact(service: Service) -> None:
    account = await service.patient("ada@example.org")
    answer = await asked(service, account.id, headers={})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "purpose-of-use")
    assert "ada@example.org" not in answer.text


async def test_who_was_erased_or_never_was_is_left_out(service: Service) -> None:
    account, other = await service.patient("ada@example.org"), await service.patient("bea@example.org")
    assert (await service.client.delete(account.path, headers=account.headers)).status_code == 204
    answer = await asked(service, account.id, UNKNOWN, other.id)
    assert [each["patient_id"] for each in answer.json()["items"]] == [other.id]


async def test_not_more_than_a_hundred_at_once(service: Service) -> None:
    answer = await asked(service, *(f"01890a5d-ac96-774b-bcce-{number:012}" for number in range(101)))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "patient_ids")
