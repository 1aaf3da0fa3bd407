"""Tokens of ended sessions, of changed accounts and of erased persons have no power, here and in other services."""

import json
import time
from typing import Any

import pytest

from millrace_patients.account.cli import app as accounts_command
from millrace_platform.authentication import Role
from millrace_platform.testing import ManualClock

from .running import PASSWORD, PRACTICE, Account, Service, run_command, running, set_environment, settings_for

EVERYWHERE = "/v1/auth/sign-out-everywhere"


async def end_by_sign_out(service: Service, account: Account) -> None:
    await service.post("/v1/auth/sign-out", {"refresh_token": account.tokens["refresh_token"]})


async def end_by_sign_out_everywhere(service: Service, account: Account) -> None:
    code = next(iter(account.recovery_codes), None)
    other = await service.sign_in(account.email, code=code)
    assert (await service.client.post(EVERYWHERE, headers=other.headers)).status_code == 204


async def end_by_password_reset(service: Service, account: Account) -> None:
    await service.post("/v1/auth/password-reset", {"email": account.email})
    body = {"token": await service.emailed_token(account.email, "reset_password"), "password": PASSWORD + " again"}
    assert (await service.post("/v1/auth/password-reset/confirm", body)).status_code == 204


async def end_by_erasure(service: Service, account: Account) -> None:
    assert (await service.client.delete(account.path, headers=account.headers)).status_code == 204


async def end_by_expiry(service: Service, account: Account) -> None:
    service.clock.now += service.settings.patients_access_token_lifetime + 60


ENDS = [end_by_sign_out, end_by_sign_out_everywhere, end_by_password_reset, end_by_erasure, end_by_expiry]


async def published_accounts(service: Service, account: Account) -> list[dict[str, Any]]:
    """Return the `account` events of an account, the oldest first."""
    return [
        json.loads(bytes(each.data)) for each in service.feeds.envelopes() if each.subject == f"account/{account.id}"
    ]


@pytest.mark.parametrize("end", ENDS)
async def test_dead_token_of_an_administrator_sets_no_roles(service: Service, end: Any) -> None:
    stranger = await service.account("b@example.org")
    admin = await service.account("root@example.org", Role.ADMIN)
    path = f"/v1/auth/accounts/{stranger.id}/roles"
    assert (await service.client.get(path, headers=admin.headers)).status_code == 200
    await end(service, admin)
    refused = await service.client.put(path, json={"roles": ["admin"]}, headers=admin.headers)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert (await service.client.get(path, headers=admin.headers)).status_code == 401


@pytest.mark.parametrize("end", [end_by_sign_out, end_by_sign_out_everywhere])
async def test_dead_token_ends_no_live_session(service: Service, account: Account, end: Any) -> None:
    await end(service, account)
    live = await service.sign_in(account.email)
    assert (await service.client.post(EVERYWHERE, headers=account.headers)).status_code == 401
    refreshed = await service.post("/v1/auth/refresh", {"refresh_token": live.tokens["refresh_token"]})
    assert refreshed.status_code == 200


async def test_token_with_withdrawn_roles_is_refused_and_the_next_one_has_the_new_roles(service: Service) -> None:
    admin = await service.account("root@example.org", Role.ADMIN)
    staff = await service.account("s@example.org", Role.STAFF, practices=[PRACTICE])
    service.clock.now += 1
    path = f"/v1/auth/accounts/{staff.id}/roles"
    unchanged = {"roles": ["staff"], "practices": [PRACTICE]}
    assert (await service.client.put(path, json=unchanged, headers=admin.headers)).status_code == 200
    assert (await service.client.get(staff.path, headers=staff.headers)).status_code == 404
    assert (await service.client.put(path, json={"roles": ["patient"]}, headers=admin.headers)).status_code == 200
    assert (await service.client.get(staff.path, headers=staff.headers)).status_code == 401
    refreshed = await service.post("/v1/auth/refresh", {"refresh_token": staff.tokens["refresh_token"]})
    renewed = Account(staff.id, staff.email, refreshed.json())
    assert (await service.client.get(staff.path, headers=renewed.headers)).status_code == 404
    principal = await service.app.state.verifier.verify(renewed.tokens["access_token"])
    assert principal.roles == {Role.PATIENT}


async def test_token_of_another_account_s_session_is_refused(service: Service, account: Account) -> None:
    stranger = await service.account("b@example.org")
    session = (await service.app.state.verifier.verify(stranger.tokens["access_token"])).session
    issuer = service.app.state.identity.issuer
    mixed = issuer.issue(
        account.id,
        roles=[],
        practices=[],
        session=session,
        authenticated_at=issuer_time(service),
        has_second_factor=False,
    )
    headers = {"Authorization": f"Bearer {mixed}"}
    assert (await service.client.post(EVERYWHERE, headers=headers)).status_code == 401


def issuer_time(service: Service) -> Any:
    return service.app.state.patients.units.now()


@pytest.mark.parametrize("end", [end_by_sign_out_everywhere, end_by_password_reset, end_by_erasure])
async def test_other_services_learn_since_when_tokens_are_valid(service: Service, account: Account, end: Any) -> None:
    service.clock.now += 0.25
    await end(service, account)
    await service.published(1)
    (event,) = await published_accounts(service, account)
    assert event["tokens_valid_from"] == "2027-01-15T08:00:00.250Z"
    assert (event["state"], event["id"]) == ("erased" if end is end_by_erasure else "active", account.id)


async def test_other_services_learn_which_roles_an_account_has(service: Service) -> None:
    staff = await service.account("s@example.org", Role.STAFF, practices=[PRACTICE])
    admin = await service.account("root@example.org", Role.ADMIN)
    await service.client.delete(staff.path, headers=staff.headers)
    await service.published(3)
    granted, erased = await published_accounts(service, staff)
    assert (granted["roles"], granted["practice_ids"]) == (["staff"], [PRACTICE])
    assert (erased["roles"], erased["practice_ids"], erased["state"]) == ([], [], "erased")
    replayed = (await service.client.post("/internal/patients/replay")).json()
    assert replayed == {"count": 2, "next": None}
    assert {each.subject for each in service.feeds.envelopes()} == {f"account/{staff.id}", f"account/{admin.id}"}


async def test_operator_ends_all_sessions_of_one_account(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(postgres_dsn)
    set_environment(monkeypatch, settings)
    # The command uses the system clock.
    async with running(settings, ManualClock(time.time() - 1)) as service:
        account, other = await service.account("a@example.org"), await service.account("b@example.org")
        done = await run_command(accounts_command, "sign-out", "--email", "A@example.org")
        assert (done.exit_code, done.stdout) == (0, f"{account.id}: no sessions\n")
        for each, status in ((account, 401), (other, 200)):
            body = {"refresh_token": each.tokens["refresh_token"]}
            assert (await service.post("/v1/auth/refresh", body)).status_code == status
            assert (await service.client.get(f"{each.path}/export", headers=each.headers)).status_code == status
        unknown = await run_command(accounts_command, "sign-out", "--email", "c@example.org")
        assert (unknown.exit_code, unknown.stderr) == (1, "There is no account with this email address.\n")
