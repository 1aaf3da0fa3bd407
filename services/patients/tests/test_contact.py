"""Where messages to a patient go, as the service that sends them sees it."""

from .running import PROFILE, Service

UNKNOWN = "01890a5d-ac96-774b-bcce-000000000000"
PURPOSE = {"Purpose-Of-Use": "HOPERAT"}


def path(patient: str) -> str:
    return f"/internal/patients/{patient}/contact"


async def test_the_accounts_address_until_the_profile_names_another(service: Service) -> None:
    account = await service.account("ada@example.org")
    first = await service.client.get(path(account.id), headers=PURPOSE)
    assert first.json() == {"email": "ada@example.org", "given_name": None}
    assert first.headers["Cache-Control"] == "no-store"
    profile = {**PROFILE, "email": "messages@example.org"}
    assert (await service.client.put(account.path, json=profile, headers=account.headers)).status_code == 201
    second = await service.client.get(path(account.id), headers=PURPOSE)
    assert second.json() == {"email": "messages@example.org", "given_name": "Ada"}


async def test_each_is_on_the_patients_trail_with_its_purpose(service: Service) -> None:
    account = await service.patient("ada@example.org")
    await service.client.get(path(account.id), headers=PURPOSE)
    entries = (await service.client.get(f"{account.path}/accesses", headers=account.headers)).json()["items"]
    told = [entry for entry in entries if entry["what"] == "contact"]
    assert [(entry["actor"], entry["deed"], entry["purpose"]) for entry in told] == [(None, "read", "HOPERAT")]


async def test_no_purpose_no_contact(service: Service) -> None:
    account = await service.patient("ada@example.org")
    answer = await service.client.get(path(account.id))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "purpose-of-use")
    assert "ada@example.org" not in answer.text


async def test_who_was_erased_or_never_was_has_none(service: Service) -> None:
    account = await service.patient("ada@example.org")
    assert (await service.client.delete(account.path, headers=account.headers)).status_code == 204
    for patient in (account.id, UNKNOWN):
        assert (await service.client.get(path(patient), headers=PURPOSE)).status_code == 404
