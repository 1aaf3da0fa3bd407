"""Change of the password by its owner, who knows the current one."""

import httpx

from .running import PASSWORD, Account, Service

OTHER_PASSWORD = "another sentence, about mills"


async def change(
    service: Service, account: Account, current: str = PASSWORD, password: str = OTHER_PASSWORD
) -> httpx.Response:
    body = {"current_password": current, "password": password}
    return await service.client.post("/v1/auth/password", json=body, headers=account.headers)


async def test_change_sets_the_password_and_ends_all_sessions(service: Service, account: Account) -> None:
    other = await service.sign_in("a@example.org")
    assert (await change(service, account)).status_code == 204
    for each in (account, other):
        refreshed = await service.post("/v1/auth/refresh", {"refresh_token": each.tokens["refresh_token"]})
        assert refreshed.status_code == 401
        assert (await change(service, each, OTHER_PASSWORD, PASSWORD)).status_code == 401
    assert (await service.try_sign_in("a@example.org")).status_code == 401
    await service.sign_in("a@example.org", OTHER_PASSWORD)


async def test_change_needs_the_current_password(service: Service, account: Account) -> None:
    refused = await change(service, account, current="a guess of a stranger")
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["current_password"]
    await service.sign_in("a@example.org")


async def test_guesses_are_delayed_like_those_at_a_sign_in(service: Service, account: Account) -> None:
    statuses = [(await change(service, account, current="a guess of a stranger")).status_code for _ in range(6)]
    assert statuses == [422] * 5 + [429]


async def test_weak_new_password_is_rejected(service: Service, account: Account) -> None:
    refused = await change(service, account, password="passwordpassword")
    assert refused.status_code == 422
    assert {error["field"] for error in refused.json()["errors"]} == {"password"}
    assert "passwordpassword" not in refused.text
    assert (await change(service, account)).status_code == 204


async def test_owner_gets_a_notice_and_an_audit_entry(service: Service, account: Account) -> None:
    await change(service, account)
    notice = (await service.queued_emails())[-1]
    assert (notice["to"], notice["kind"], notice["token"]) == ("a@example.org", "password_changed", None)
    signed_in = await service.sign_in("a@example.org", OTHER_PASSWORD)
    accesses = (await service.client.get(f"{account.path}/accesses", headers=signed_in.headers)).json()["items"]
    assert ("update", "account/password") in {(each["deed"], each["what"]) for each in accesses}
