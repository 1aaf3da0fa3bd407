"""Second factors: one-time codes, recovery codes, and what accounts may do without one."""

import base64
import time
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from millrace_patients.account.cli import app
from millrace_patients.schema import recovery_code, second_factor
from millrace_patients.second_factor.model import (
    NOT_USED,
    current_step,
    find_step,
    generate_code,
    next_valid_step,
)
from millrace_platform.authentication import Role

from .running import PRACTICE, Account, Service, run_command, running, set_environment, settings_for

SECRET = b"12345678901234567890"
STEP = 30


def code_of(service: Service, account: Account, step: int = 0) -> str:
    return generate_code(account.secret, current_step(service.clock.now) + step)


async def manage(service: Service, account: Account, action: str, code: str) -> Any:
    return await service.client.post(f"/v1/auth/second-factor/{action}", json={"code": code}, headers=account.headers)


class TestCodes:
    @pytest.mark.parametrize(("now", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
    def test_codes_are_those_of_rfc_6238(self, now: int, code: str) -> None:
        assert generate_code(SECRET, current_step(now)) == code

    def test_code_is_valid_one_step_around_the_current_one_and_once(self) -> None:
        now, current = 1000 * STEP, 1000
        accepted = [
            step
            for step in range(995, 1006)
            if find_step(SECRET, generate_code(SECRET, step), now=now, last_used=NOT_USED) is not None
        ]
        assert accepted == [999, 1000, 1001]
        assert find_step(SECRET, generate_code(SECRET, current), now=now, last_used=current) is None
        assert find_step(SECRET, generate_code(SECRET, current + 1), now=now, last_used=current) == current + 1
        assert [next_valid_step(now, last) for last in (NOT_USED, 999, 1000, 1001)] == [1000, 1000, 1001, 1002]


class TestSignIn:
    async def test_account_with_a_second_factor_needs_its_code(self, service: Service, account: Account) -> None:
        enrolled = await service.enroll(account)
        service.clock.now += STEP
        missing = await service.try_sign_in("a@example.org")
        assert (missing.status_code, missing.json()["type"]) == (401, "urn:millrace:problem:second-factor-required")
        wrong = await service.try_sign_in("a@example.org", code="000000")
        assert (wrong.status_code, wrong.json()["type"]) == (401, "urn:millrace:problem:wrong-code")
        assert "access_token" not in missing.json() | wrong.json()
        await service.sign_in("a@example.org", code=code_of(service, enrolled))

    async def test_code_is_not_requested_before_the_right_password(self, service: Service, account: Account) -> None:
        enrolled = await service.enroll(account)
        for code in (None, code_of(service, enrolled, 1)):
            refused = await service.try_sign_in("a@example.org", "wrong password", code=code)
            assert refused.json()["type"] == "urn:millrace:problem:wrong-credentials"

    async def test_code_is_valid_once(self, service: Service, account: Account) -> None:
        enrolled = await service.enroll(account)
        code = code_of(service, enrolled, 1)
        await service.sign_in("a@example.org", code=code)
        assert (await service.try_sign_in("a@example.org", code=code)).status_code == 401

    async def test_guesses_of_codes_are_delayed_like_those_of_passwords(
        self, service: Service, account: Account
    ) -> None:
        await service.enroll(account)
        statuses = [(await service.try_sign_in("a@example.org", code="000000")).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]

    async def test_recovery_code_is_valid_once_and_reported(self, service: Service, account: Account) -> None:
        enrolled = await service.enroll(account)
        code = enrolled.recovery_codes[3]
        assert len(base64.b32decode(code.replace("-", "").upper())) * 8 >= 112
        await service.sign_in("a@example.org", code=code.upper().replace("-", " "))
        assert (await service.queued_emails())[-1]["kind"] == "recovery_code_used"
        assert (await service.try_sign_in("a@example.org", code=code)).status_code == 401
        await service.sign_in("a@example.org", code=enrolled.recovery_codes[4])

    async def test_password_reset_does_not_replace_the_second_factor(self, service: Service, account: Account) -> None:
        await service.enroll(account)
        await service.post("/v1/auth/password-reset", {"email": "a@example.org"})
        token = await service.emailed_token("a@example.org", "reset_password")
        password = "another sentence, about mills"
        await service.post("/v1/auth/password-reset/confirm", {"token": token, "password": password})
        refused = await service.try_sign_in("a@example.org", password)
        assert refused.json()["type"] == "urn:millrace:problem:second-factor-required"


class TestRoles:
    async def privileged(self, service: Service, role: Role) -> Account:
        """Return an account with this role that has no second factor."""
        identifier = await service.sign_up("b@example.org")
        practices = (UUID(PRACTICE),) if role is Role.STAFF else ()
        await service.app.state.identity.roles.set(None, UUID(identifier), (role,), practices)
        return await service.sign_in("b@example.org")

    @pytest.mark.parametrize("role", [Role.STAFF, Role.SUPPORT, Role.ADMIN])
    async def test_token_has_the_role_only_with_a_second_factor(self, service: Service, role: Role) -> None:
        verifier, without = service.app.state.verifier, await self.privileged(service, role)
        principal = await verifier.verify(without.tokens["access_token"])
        assert (principal.roles, principal.practices, principal.withheld_roles) == (set(), set(), {role})
        enrolled = await service.enroll(without)
        principal = await verifier.verify(enrolled.tokens["access_token"])
        assert (principal.roles, principal.withheld_roles) == ({role}, set())
        service.clock.now += STEP
        again = await service.sign_in("b@example.org", code=code_of(service, enrolled))
        assert (await verifier.verify(again.tokens["access_token"])).roles == {role}

    async def test_administrator_without_a_second_factor_is_refused_with_the_remedy(self, service: Service) -> None:
        admin = await self.privileged(service, Role.ADMIN)
        path = f"/v1/auth/accounts/{admin.id}/roles"
        refused = await service.client.get(path, headers=admin.headers)
        assert refused.status_code == 401
        assert 'error="insufficient_user_authentication"' in refused.headers["WWW-Authenticate"]
        assert "second factor" in refused.json()["detail"]
        enrolled = await service.enroll(admin)
        assert (await service.client.get(path, headers=enrolled.headers)).status_code == 200


class TestManagement:
    async def test_secret_has_no_effect_until_it_is_confirmed(self, service: Service, account: Account) -> None:
        created = await service.client.post("/v1/auth/second-factor", headers=account.headers)
        assert created.headers["Cache-Control"] == "no-store"
        assert created.json()["uri"].startswith("otpauth://totp/Millrace:a%40example.org?")
        await service.sign_in("a@example.org")
        refused = await manage(service, account, "confirm", "000000")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "code")
        await service.sign_in("a@example.org")

    async def test_change_needs_a_recent_sign_in_and_a_live_session(self, service: Service, account: Account) -> None:
        enrolled = await service.enroll(account)
        assert (await service.client.post("/v1/auth/second-factor", headers=enrolled.headers)).status_code == 409
        assert (await service.client.post("/v1/auth/second-factor")).status_code == 401
        service.clock.now += 331
        late = await manage(service, enrolled, "remove", code_of(service, enrolled))
        assert late.status_code == 401
        again = await service.sign_in("a@example.org", code=code_of(service, enrolled))
        await service.client.post("/v1/auth/sign-out-everywhere", headers=again.headers)
        ended = await manage(service, again, "remove", code_of(service, enrolled, 1))
        assert ended.status_code == 401

    async def test_owner_gets_a_notice_of_each_change(self, service: Service, account: Account) -> None:
        enrolled = await service.enroll(account)
        replaced = await manage(service, enrolled, "recovery-codes", code_of(service, enrolled, 1))
        assert len(replaced.json()["recovery_codes"]) == 10
        assert (await manage(service, enrolled, "remove", enrolled.recovery_codes[0])).status_code == 422
        removed = await manage(service, enrolled, "remove", replaced.json()["recovery_codes"][0])
        assert removed.status_code == 204
        kinds = [email["kind"] for email in await service.queued_emails() if email["to"] == "a@example.org"]
        assert kinds[-4:] == [
            "second_factor_added",
            "recovery_codes_replaced",
            "recovery_code_used",
            "second_factor_removed",
        ]
        await service.sign_in("a@example.org")

    async def test_privileged_account_cannot_remove_it(self, service: Service) -> None:
        admin = await service.account("admin@example.org", "admin")
        refused = await manage(service, admin, "remove", code_of(service, admin, 1))
        assert refused.status_code == 409

    async def test_wrong_codes_are_delayed(self, service: Service, account: Account) -> None:
        enrolled = await service.enroll(account)
        statuses = [(await manage(service, enrolled, "remove", "000000")).status_code for _ in range(6)]
        assert statuses == [422] * 5 + [429]

    async def test_erasure_deletes_the_second_factor(self, service: Service, account: Account) -> None:
        enrolled = await service.enroll(account)
        erased = await service.client.delete(account.path, headers=enrolled.headers)
        assert erased.status_code == 204, erased.text
        async with service.database.read() as session:
            for table in (second_factor, recovery_code):
                assert await session.scalar(select(func.count()).select_from(table)) == 0


class TestCommand:
    async def test_code_of_a_demo_account_signs_it_in(self, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = settings_for(postgres_dsn)
        set_environment(monkeypatch, settings)
        async with running(settings) as service:
            await service.sign_up("desk@example.org")
            refused = await run_command(app, "code", "desk@example.org")
            assert (refused.exit_code, len(refused.stderr.splitlines())) == (1, 1)
            monkeypatch.setenv("MILLRACE_PATIENTS_DEMO_FACTORS", "true")
            unknown = await run_command(app, "code", "unknown@example.org")
            assert (unknown.exit_code, unknown.stderr) == (1, "There is no account with this email address.\n")
            # The command uses the system clock, the service a manual one.
            service.clock.now = time.time()
            for _ in range(2):
                printed = await run_command(app, "code", "desk@example.org")
                assert printed.exit_code == 0, printed.output
                await service.sign_in("desk@example.org", code=printed.stdout.strip())

    async def test_operator_removes_a_lost_second_factor(
        self, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = settings_for(postgres_dsn)
        set_environment(monkeypatch, settings)
        async with running(settings) as service:
            account = await service.enroll(await service.account("a@example.org"))
            removed = await run_command(app, "remove-factor", "--email", "a@example.org")
            assert removed.exit_code == 0, removed.output
            body = {"refresh_token": account.tokens["refresh_token"]}
            assert (await service.post("/v1/auth/refresh", body)).status_code == 401
            await service.sign_in("a@example.org")
            assert "second_factor_removed" in {email["kind"] for email in await service.queued_emails()}
