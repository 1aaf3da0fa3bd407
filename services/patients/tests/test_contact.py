"""Contact lookup by the service that sends messages."""

import httpx

from .running import PROFILE, UNKNOWN, Account, Service

PURPOSE = {"Purpose-Of-Use": "HOPERAT"}


async def find_contacts(service: Service, *patients: str, headers: dict[str, str] = PURPOSE) -> httpx.Response:
    return await service.client.post("/internal/patients/contacts", json={"patient_ids": patients}, headers=headers)


async def put_profile(service: Service, account: Account, email: str) -> None:
    headers = {**account.headers, "If-Match": "*"}
    known = (await service.client.get(account.path, headers=account.headers)).status_code == 200
    body = {**PROFILE, "email": email}
    response = await service.client.put(account.path, json=body, headers=headers if known else account.headers)
    assert response.is_success, response.text


async def found_address(service: Service, account: Account) -> str:
    (found,) = (await find_contacts(service, account.id)).json()["items"]
    assert found.keys() == {"patient_id", "email"}
    return str(found["email"])


async def confirm(service: Service, account: Account, token: str) -> httpx.Response:
    path = f"{account.path}/email-confirmation/confirm"
    return await service.client.post(path, json={"token": token}, headers=account.headers)


async def request_confirmation(service: Service, account: Account, source: str = "192.0.2.1") -> int:
    headers = {**account.headers, "X-Forwarded-For": source}
    return (await service.client.post(f"{account.path}/email-confirmation", headers=headers)).status_code


async def test_messages_go_to_the_accounts_address_until_the_profiles_is_confirmed(
    service: Service, account: Account
) -> None:
    assert await found_address(service, account) == "a@example.org"
    assert (await find_contacts(service, account.id)).headers["Cache-Control"] == "no-store"
    await put_profile(service, account, "Messages@Example.org")
    assert await found_address(service, account) == "a@example.org"
    assert await request_confirmation(service, account) == 202
    token = await service.emailed_token("messages@example.org", "confirm_address")
    assert await found_address(service, account) == "a@example.org"
    assert (await confirm(service, account, token)).status_code == 204
    assert await found_address(service, account) == "messages@example.org"
    notice = (await service.queued_emails())[-1]
    assert (notice["to"], notice["kind"]) == ("a@example.org", "address_changed")
    # Another address has to be confirmed again.
    await put_profile(service, account, "victim@example.org")
    assert await found_address(service, account) == "a@example.org"


async def test_a_typed_address_gets_no_email_by_itself(service: Service, account: Account) -> None:
    await put_profile(service, account, "victim@example.org")
    assert "victim@example.org" not in {email["to"] for email in await service.queued_emails()}


async def test_confirmation_needs_the_token_of_this_patient_and_address(service: Service, account: Account) -> None:
    other = await service.account("b@example.org")
    assert await request_confirmation(service, account) == 409
    for each in (account, other):
        await put_profile(service, each, "shared@example.org")
    await request_confirmation(service, account)
    token = await service.emailed_token("shared@example.org", "confirm_address")
    refused = await confirm(service, other, token)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "token")
    await put_profile(service, account, "elsewhere@example.org")
    assert (await confirm(service, account, token)).status_code == 422
    await put_profile(service, account, "shared@example.org")
    assert (await confirm(service, account, "made up")).status_code == 422
    service.clock.now += 3601
    again = await service.sign_in("a@example.org")
    assert (await confirm(service, again, token)).status_code == 422


async def test_emails_to_an_unverified_address_are_limited_from_all_accounts(
    service: Service, account: Account
) -> None:
    others = [account, await service.account("b@example.org")]
    for each in others:
        await put_profile(service, each, "victim@example.org")
    for number in range(3):
        for each in others:
            assert await request_confirmation(service, each, f"192.0.2.{number}") == 202
    await service.post("/v1/auth/sign-up", {"email": "victim@example.org"})
    sent = [email["kind"] for email in await service.queued_emails() if email["to"] == "victim@example.org"]
    assert sent == ["confirm_address"] * 3


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
