"""Sign-up, sign-in, sessions and password reset, including abuse."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from millrace_patients.schema import refresh_token
from millrace_platform.authentication import Role, TokenRules, Verifier
from millrace_platform.jwks import rsa_keys

from .running import PASSWORD, PRACTICE, UNKNOWN, Account, Service

OTHER_PASSWORD = "another sentence, about mills"


async def test_sign_up_and_sign_in_yield_a_verifiable_token(service: Service) -> None:
    identifier = await service.sign_up("Ada@Example.org".lower())
    signed_in = await service.try_sign_in(" ADA@example.ORG ")
    assert signed_in.headers["Cache-Control"] == "no-store"
    tokens = signed_in.json()
    assert tokens["subject"] == identifier

    issuer = service.settings.auth_issuer
    discovered = (await service.client.get("/v1/auth/.well-known/openid-configuration")).json()
    assert (discovered["issuer"], discovered["jwks_uri"]) == (issuer, f"{issuer}/.well-known/jwks.json")
    listed = await service.client.get("/v1/auth/.well-known/jwks.json")
    assert set(listed.json()["keys"][0]) == {"kid", "kty", "use", "alg", "n", "e"}
    keys = rsa_keys(listed.content)

    class Keys:
        async def key(self, kid: str) -> Any:
            return keys.get(kid)

    verifier = Verifier(TokenRules(issuer, frozenset({"millrace"})), Keys(), service.clock)
    principal = await verifier.verify(tokens["access_token"])
    assert (str(principal.subject), principal.roles) == (identifier, frozenset({Role.PATIENT}))


async def test_email_token_is_valid_once_within_an_hour(service: Service) -> None:
    await service.post("/v1/auth/sign-up", {"email": "a@example.org"})
    token = await service.emailed_token("a@example.org", "verify_email")
    service.clock.now += 3601
    late = await service.post("/v1/auth/verify-email", {"token": token, "password": PASSWORD})
    assert (late.status_code, late.json()["errors"][0]["field"]) == (422, "token")

    await service.sign_up("b@example.org")
    used = await service.emailed_token("b@example.org", "verify_email")
    again = await service.post("/v1/auth/verify-email", {"token": used, "password": OTHER_PASSWORD})
    assert again.status_code == 422
    assert (await service.try_sign_in("b@example.org", OTHER_PASSWORD)).status_code == 401


async def test_concurrent_verifications_create_one_account(service: Service) -> None:
    for _ in range(2):
        await service.post("/v1/auth/sign-up", {"email": "a@example.org"})
    tokens = [email["token"] for email in await service.queued_emails()]
    responses = await asyncio.gather(
        *(service.post("/v1/auth/verify-email", {"token": each, "password": PASSWORD}) for each in tokens * 3)
    )
    assert sorted(response.status_code for response in responses) == [201, *[422] * 5]


@pytest.mark.parametrize(
    "password", ["rivers", "aaaaaaaaaaaaaaaa", "ada@example.org", "x" * 257, "Q1w2e3r4t5y6", "passwordpassword"]
)
async def test_weak_password_is_rejected_with_a_reason(service: Service, password: str) -> None:
    await service.post("/v1/auth/sign-up", {"email": "ada@example.org"})
    token = await service.emailed_token("ada@example.org", "verify_email")
    response = await service.post("/v1/auth/verify-email", {"token": token, "password": password})
    assert response.status_code == 422
    assert {error["field"] for error in response.json()["errors"]} == {"password"}
    assert password not in response.text
    good = await service.post("/v1/auth/verify-email", {"token": token, "password": PASSWORD})
    assert good.status_code == 201


async def test_password_is_normalized(service: Service) -> None:
    await service.sign_up("a@example.org", "e\u0301toile de la me\u0301moire")
    await service.sign_in("a@example.org", "\u00e9toile de la m\u00e9moire")


class TestAccountEnumeration:
    """Responses don't reveal whether an address has an account."""

    def are_indistinguishable(self, responses: list[Any]) -> bool:
        described = {
            f"{a.status_code} {a.headers.multi_items()} {a.text}".replace(a.headers["X-Request-Id"], "")
            for a in responses
        }
        return len(described) == 1

    @pytest.mark.parametrize("path", ["/v1/auth/sign-up", "/v1/auth/password-reset"])
    async def test_email_requests_have_the_same_response(self, service: Service, path: str) -> None:
        await service.sign_up("known@example.org")
        responses = [await service.post(path, {"email": f"{name}@example.org"}) for name in ("known", "nobody")]
        assert self.are_indistinguishable(responses)
        mailed = [(email["to"], email["kind"]) for email in (await service.queued_emails())[-2:]]
        kinds = ("account_exists", "verify_email") if "sign-up" in path else ("reset_password", "no_account")
        assert mailed == [("known@example.org", kinds[0]), ("nobody@example.org", kinds[1])]

    async def test_address_that_cannot_receive_email_is_rejected(self, service: Service) -> None:
        response = await service.post("/v1/auth/sign-up", {"email": "a<b@c>"})
        assert response.status_code == 422
        (error,) = response.json()["errors"]
        assert error["field"] == "email"
        assert error["remedy"] == "Give an address such as ada@example.org."
        assert "a<b" not in response.text

    async def test_internationalized_domain_is_encoded_and_never_folded(self, service: Service) -> None:
        await service.post("/v1/auth/sign-up", {"email": "Ada@Straße.de"})
        assert (await service.queued_emails())[-1]["to"] == "ada@xn--strae-oqa.de"

    async def test_wrong_password_and_unknown_account_have_the_same_response(self, service: Service) -> None:
        await service.sign_up("known@example.org")
        await service.post("/v1/auth/sign-up", {"email": "unverified@example.org"})
        names = ("known", "unverified", "nobody")
        responses = [await service.try_sign_in(f"{name}@example.org", OTHER_PASSWORD) for name in names]
        assert responses[0].status_code == 401
        assert self.are_indistinguishable(responses)

    async def test_throttling_has_the_same_response(self, service: Service) -> None:
        await service.sign_up("known@example.org")
        last = []
        for number, name in enumerate(("known", "nobody")):
            for _ in range(6):
                response = await service.try_sign_in(f"{name}@example.org", OTHER_PASSWORD, source=f"192.0.2.{number}")
            last.append(response)
        assert last[0].status_code == 429
        assert self.are_indistinguishable(last)

    async def test_password_verification_takes_the_same_work(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await service.sign_up("known@example.org")
        verified: list[str] = []

        def verify(hasher: PasswordHasher, known: str, password: str) -> bool:
            verified.append(known.rpartition("$")[0].rpartition("$")[0])
            return real(hasher, known, password)

        real = PasswordHasher.verify
        monkeypatch.setattr(PasswordHasher, "verify", verify)
        for name in ("known", "nobody"):
            await service.try_sign_in(f"{name}@example.org", OTHER_PASSWORD)
        known, unknown = verified
        assert known == unknown, "the parameters determine the work"


class TestPreparedAccounts:
    """A stranger cannot prepare an account that its owner then confirms."""

    async def test_sign_up_accepts_no_password(self, service: Service) -> None:
        response = await service.post("/v1/auth/sign-up", {"email": "victim@example.org", "password": OTHER_PASSWORD})
        assert response.status_code == 422
        await service.sign_up("victim@example.org", PASSWORD)
        assert (await service.try_sign_in("victim@example.org", OTHER_PASSWORD)).status_code == 401


class TestSessions:
    async def refresh(self, service: Service, token: str, *, device: str | None = None, **options: str) -> Any:
        body = {"refresh_token": token} | ({} if device is None else {"device_token": device})
        return await service.post("/v1/auth/refresh", body, **options)

    async def test_refresh_returns_new_tokens(self, service: Service, account: Account) -> None:
        renewed = (await self.refresh(service, account.tokens["refresh_token"])).json()
        assert renewed["subject"] == account.id
        assert renewed["refresh_token"] != account.tokens["refresh_token"]
        assert (await self.refresh(service, renewed["refresh_token"])).status_code == 200

    async def test_reused_refresh_token_ends_its_session(self, service: Service, account: Account) -> None:
        other = await service.sign_in("a@example.org")
        stolen = account.tokens["refresh_token"]
        thief = (await self.refresh(service, stolen)).json()["refresh_token"]
        service.clock.now += 11
        assert (await self.refresh(service, stolen)).status_code == 401
        assert (await self.refresh(service, thief)).status_code == 401
        # Other sessions of the account stay valid.
        assert (await self.refresh(service, other.tokens["refresh_token"])).status_code == 200

    async def test_repeated_refresh_of_one_device_has_the_same_response(
        self, service: Service, account: Account
    ) -> None:
        token, device = account.tokens["refresh_token"], account.tokens["device_token"]
        first = await self.refresh(service, token, device=device)
        service.clock.now += 10
        # A phone may have changed its network.
        again = await self.refresh(service, token, device=device, source="192.0.2.99")
        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers["Cache-Control"] == "no-store"
        assert (await self.refresh(service, first.json()["refresh_token"])).status_code == 200

    @pytest.mark.parametrize("known", [True, False])
    async def test_repeated_refresh_of_another_device_ends_the_session(
        self, service: Service, account: Account, known: bool
    ) -> None:
        token, device = account.tokens["refresh_token"], account.tokens["device_token"]
        first = await self.refresh(service, token, device=device if known else None)
        assert (await self.refresh(service, token, source="192.0.2.99")).status_code == 401
        assert (await self.refresh(service, first.json()["refresh_token"])).status_code == 401

    async def test_concurrent_refreshes_of_one_device_end_in_one_session(
        self, service: Service, account: Account
    ) -> None:
        token = account.tokens["refresh_token"]
        responses = await asyncio.gather(*(self.refresh(service, token) for _ in range(8)))
        assert {response.status_code for response in responses} == {200}
        (following,) = {response.json()["refresh_token"] for response in responses}
        assert (await self.refresh(service, following)).status_code == 200

    async def test_response_is_not_repeated_after_a_sign_out(self, service: Service, account: Account) -> None:
        token = account.tokens["refresh_token"]
        following = (await self.refresh(service, token)).json()["refresh_token"]
        await service.post("/v1/auth/sign-out", {"refresh_token": following})
        assert (await self.refresh(service, token)).status_code == 401

    async def test_stored_response_is_sealed_and_removed_by_the_sweep(self, service: Service, account: Account) -> None:
        async def stored() -> list[bytes]:
            query = select(refresh_token.c.sealed_response).where(refresh_token.c.sealed_response.is_not(None))
            async with service.database.read() as session:
                return [row.sealed_response for row in await session.execute(query)]

        token = account.tokens["refresh_token"]
        issued = (await self.refresh(service, token)).json()
        (sealed,) = await stored()
        assert issued["refresh_token"].encode() not in sealed
        service.clock.now += 11
        sign_in = service.app.state.identity.sign_in
        async with sign_in.units.begin() as work:
            await sign_in.sessions.delete_expired(work.session, work.now)
        assert await stored() == []

    async def test_invalid_refresh_tokens_have_the_same_response(self, service: Service, account: Account) -> None:
        used = account.tokens["refresh_token"]
        await self.refresh(service, used)
        service.clock.now += 11
        responses = [await self.refresh(service, token) for token in (used, "made up")]
        assert [a.status_code for a in responses] == [401, 401]
        assert responses[0].json()["type"] == responses[1].json()["type"]

    async def test_session_expires_after_two_weeks_idle_or_ninety_days(self, service: Service) -> None:
        day = 86_400
        idle = await service.account("idle@example.org")
        busy = (await service.account("busy@example.org")).tokens["refresh_token"]
        service.clock.now += 14 * day + 1
        assert (await self.refresh(service, idle.tokens["refresh_token"])).status_code == 401
        busy = (await service.sign_in("busy@example.org")).tokens["refresh_token"]
        for _ in range(8):
            service.clock.now += 10 * day
            response = await self.refresh(service, busy)
            assert response.status_code == 200
            busy = response.json()["refresh_token"]
        service.clock.now += 10 * day
        assert (await self.refresh(service, busy)).status_code == 401

    @pytest.mark.parametrize("role", ["staff", "support", "admin"])
    async def test_privileged_session_expires_after_an_hour_idle_or_twelve(self, service: Service, role: str) -> None:
        practices = [PRACTICE] if role == "staff" else []
        idle = await service.account("idle@example.org", role, practices=practices)
        token = (await service.account("busy@example.org", role, practices=practices)).tokens["refresh_token"]
        for half_hours in range(24):
            response = await self.refresh(service, token)
            assert response.status_code == 200, half_hours
            token = response.json()["refresh_token"]
            service.clock.now += 1800
        assert (await self.refresh(service, token)).status_code == 401
        assert (await self.refresh(service, idle.tokens["refresh_token"])).status_code == 401

    async def test_old_session_ends_when_its_account_becomes_privileged(self, service: Service) -> None:
        account = await service.account("a@example.org")
        service.clock.now += 13 * 3600
        await service.app.state.identity.roles.set(None, UUID(account.id), (Role.ADMIN,), ())
        assert (await self.refresh(service, account.tokens["refresh_token"])).status_code == 401

    async def test_sign_out_ends_one_or_all_sessions(self, service: Service, account: Account) -> None:
        second, third = await service.sign_in("a@example.org"), await service.sign_in("a@example.org")
        stranger = await service.account("b@example.org")
        out = await service.post("/v1/auth/sign-out", {"refresh_token": account.tokens["refresh_token"]})
        assert out.status_code == 204
        assert (await service.post("/v1/auth/sign-out", {"refresh_token": "made up"})).status_code == 204
        assert (await self.refresh(service, account.tokens["refresh_token"])).status_code == 401
        everywhere = await service.client.post("/v1/auth/sign-out-everywhere", headers=second.headers)
        assert everywhere.status_code == 204
        assert (await self.refresh(service, third.tokens["refresh_token"])).status_code == 401
        assert (await self.refresh(service, stranger.tokens["refresh_token"])).status_code == 200
        # Access to personal data ends at once.
        assert (await service.client.get(second.path, headers=second.headers)).status_code == 401

    async def test_session_over_the_limit_ends_the_oldest(self, service: Service, account: Account) -> None:
        for _ in range(20):
            service.clock.now += 1
            last = await service.sign_in("a@example.org")
        assert (await self.refresh(service, account.tokens["refresh_token"])).status_code == 401
        assert (await self.refresh(service, last.tokens["refresh_token"])).status_code == 200


class TestPasswordReset:
    async def test_reset_sets_the_password_and_ends_all_sessions(self, service: Service, account: Account) -> None:
        await service.post("/v1/auth/password-reset", {"email": "a@example.org"})
        token = await service.emailed_token("a@example.org", "reset_password")
        body = {"token": token, "password": OTHER_PASSWORD}
        assert (await service.post("/v1/auth/password-reset/confirm", body)).status_code == 204
        assert (await service.post("/v1/auth/password-reset/confirm", body)).status_code == 422
        refreshed = await service.post("/v1/auth/refresh", {"refresh_token": account.tokens["refresh_token"]})
        assert refreshed.status_code == 401
        assert (await service.try_sign_in("a@example.org", PASSWORD)).status_code == 401
        await service.sign_in("a@example.org", OTHER_PASSWORD)

    async def test_owner_gets_a_notice_of_a_new_password(self, service: Service, account: Account) -> None:
        await service.post("/v1/auth/password-reset", {"email": "a@example.org"})
        token = await service.emailed_token("a@example.org", "reset_password")
        await service.post("/v1/auth/password-reset/confirm", {"token": token, "password": OTHER_PASSWORD})
        notice = (await service.queued_emails())[-1]
        assert (notice["to"], notice["kind"]) == ("a@example.org", "password_changed")
        assert notice["token"] is None

    async def test_sign_up_token_does_not_reset_a_password(self, service: Service) -> None:
        await service.post("/v1/auth/sign-up", {"email": "a@example.org"})
        token = await service.emailed_token("a@example.org", "verify_email")
        body = {"token": token, "password": OTHER_PASSWORD}
        assert (await service.post("/v1/auth/password-reset/confirm", body)).status_code == 422

    async def test_reset_clears_the_throttle_of_its_source(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        for _ in range(6):
            await service.try_sign_in("a@example.org", OTHER_PASSWORD)
        await service.post("/v1/auth/password-reset", {"email": "a@example.org"})
        token = await service.emailed_token("a@example.org", "reset_password")
        await service.post("/v1/auth/password-reset/confirm", {"token": token, "password": OTHER_PASSWORD})
        await service.sign_in("a@example.org", OTHER_PASSWORD)


class TestRoles:
    async def test_next_token_has_the_roles_set_by_an_administrator(self, service: Service) -> None:
        admin = await service.account("admin@example.org", "admin")
        account = await service.account("a@example.org")
        path = f"/v1/auth/accounts/{account.id}/roles"
        body = {"roles": ["staff"], "practices": [PRACTICE]}
        assert (await service.client.put(path, json=body, headers=admin.headers)).json() == {"id": account.id, **body}
        again = await service.enroll(await service.sign_in("a@example.org"))
        principal = await service.app.state.verifier.verify(again.tokens["access_token"])
        assert (principal.roles, principal.practices) == ({Role.STAFF}, {PRACTICE})

    @pytest.mark.parametrize("roles", [(), ("support",)])
    async def test_only_administrators_set_roles(self, service: Service, roles: tuple[str, ...]) -> None:
        account = await service.account("a@example.org", *roles)
        path = f"/v1/auth/accounts/{account.id}/roles"
        response = await service.client.put(path, json={"roles": ["admin"]}, headers=account.headers)
        assert response.status_code == 403
        assert (await service.client.put(path, json={"roles": ["admin"]})).status_code == 401

    async def test_unknown_account_and_staff_without_practice_are_rejected(self, service: Service) -> None:
        admin = await service.account("admin@example.org", "admin")
        path = f"/v1/auth/accounts/{UNKNOWN}/roles"
        assert (await service.client.get(path, headers=admin.headers)).status_code == 404
        assert (await service.client.put(path, json={"roles": ["patient"]}, headers=admin.headers)).status_code == 404
        mine = f"/v1/auth/accounts/{admin.id}/roles"
        assert (await service.client.put(mine, json={"roles": ["staff"]}, headers=admin.headers)).status_code == 422


async def test_outbox_request_waits_for_an_email(service: Service) -> None:
    waiting = asyncio.create_task(service.client.get("/internal/patients/outbox", params={"wait": 8}))
    await service.post("/v1/auth/sign-up", {"email": "a@example.org"})
    (email,) = (await waiting).json()["items"]
    assert (email["kind"], email["to"]) == ("verify_email", "a@example.org")
