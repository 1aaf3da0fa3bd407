"""Sign-up, sign-in, sessions and password reset, as a client sees them, and how they are abused."""

import asyncio
from typing import Any

import pytest
from argon2 import PasswordHasher

from millrace_platform.authentication import Role, Rules, Verifier
from millrace_platform.jwks import rsa_keys

from .running import PASSWORD, Service

OTHER_PASSWORD = "another sentence, about mills"


async def test_from_sign_up_to_a_token_that_every_service_can_verify(service: Service) -> None:
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

    verifier = Verifier(Rules(issuer, frozenset({"millrace"})), Keys(), service.clock)
    principal = await verifier.verify(tokens["access_token"])
    assert (str(principal.subject), principal.roles) == (identifier, frozenset({Role.PATIENT}))


async def test_a_mails_token_is_good_once_and_for_an_hour(service: Service) -> None:
    await service.post("/v1/auth/sign-up", {"email": "a@example.org"})
    token = await service.mailed_token("a@example.org", "verify_email")
    service.clock.now += 3601
    late = await service.post("/v1/auth/verify-email", {"token": token, "password": PASSWORD})
    assert (late.status_code, late.json()["errors"][0]["field"]) == (422, "token")

    await service.sign_up("b@example.org")
    used = await service.mailed_token("b@example.org", "verify_email")
    again = await service.post("/v1/auth/verify-email", {"token": used, "password": OTHER_PASSWORD})
    assert again.status_code == 422
    assert (await service.try_sign_in("b@example.org", OTHER_PASSWORD)).status_code == 401


async def test_of_two_who_verify_at_once_one_gets_the_account(service: Service) -> None:
    for _ in range(2):
        await service.post("/v1/auth/sign-up", {"email": "a@example.org"})
    tokens = [mail["token"] for mail in await service.mails()]
    answers = await asyncio.gather(
        *(service.post("/v1/auth/verify-email", {"token": each, "password": PASSWORD}) for each in tokens * 3)
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[422] * 5]


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "ada@example.org", "x" * 257])
async def test_weak_passwords_are_refused_with_a_reason(service: Service, password: str) -> None:
    await service.post("/v1/auth/sign-up", {"email": "ada@example.org"})
    token = await service.mailed_token("ada@example.org", "verify_email")
    answer = await service.post("/v1/auth/verify-email", {"token": token, "password": password})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"password"}
    assert password not in answer.text
    good = await service.post("/v1/auth/verify-email", {"token": token, "password": PASSWORD})
    assert good.status_code == 201


async def test_a_password_is_the_same_from_every_keyboard(service: Service) -> None:
    await service.sign_up("a@example.org", "e\u0301toile de la me\u0301moire")
    await service.sign_in("a@example.org", "\u00e9toile de la m\u00e9moire")


class TestEnumeration:
    """Nobody learns who has an account."""

    def same(self, answers: list[Any]) -> bool:
        seen = {
            (a.status_code, *((name, value) for name, value in sorted(a.headers.items()) if name != "x-request-id"))
            for a in answers
        }
        bodies = [a.json() if a.content else None for a in answers]
        for body in bodies:
            if isinstance(body, dict):
                body.pop("request_id", None)
        return len(seen) == 1 and all(body == bodies[0] for body in bodies)

    @pytest.mark.parametrize("path", ["/v1/auth/sign-up", "/v1/auth/password-reset"])
    async def test_asking_for_a_mail_answers_the_same(self, service: Service, path: str) -> None:
        await service.sign_up("known@example.org")
        answers = [await service.post(path, {"email": f"{name}@example.org"}) for name in ("known", "nobody")]
        assert self.same(answers)
        mailed = [(mail["to"], mail["kind"]) for mail in (await service.mails())[-2:]]
        kinds = ("account_exists", "verify_email") if "sign-up" in path else ("reset_password", "no_account")
        assert mailed == [("known@example.org", kinds[0]), ("nobody@example.org", kinds[1])]

    async def test_a_wrong_password_and_no_account_answer_the_same(self, service: Service) -> None:
        await service.sign_up("known@example.org")
        await service.post("/v1/auth/sign-up", {"email": "unverified@example.org"})
        names = ("known", "unverified", "nobody")
        answers = [await service.try_sign_in(f"{name}@example.org", OTHER_PASSWORD) for name in names]
        assert answers[0].status_code == 401
        assert self.same(answers)

    async def test_so_does_the_slowing_down(self, service: Service) -> None:
        await service.sign_up("known@example.org")
        last = []
        for number, name in enumerate(("known", "nobody")):
            for _ in range(6):
                answer = await service.try_sign_in(f"{name}@example.org", OTHER_PASSWORD, source=f"192.0.2.{number}")
            last.append(answer)
        assert last[0].status_code == 429
        assert self.same(last)

    async def test_and_the_work_is_the_same(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        await service.sign_up("known@example.org")
        verified: list[str] = []

        def verify(hasher: PasswordHasher, known: str, password: str) -> bool:
            verified.append(known.rpartition("$")[0].rpartition("$")[0])
            return real(hasher, known, password)

        real = PasswordHasher.verify
        monkeypatch.setattr(PasswordHasher, "verify", verify)
        for name in ("known", "nobody"):
            await service.try_sign_in(f"{name}@example.org", OTHER_PASSWORD)
        known, nobody = verified
        assert known == nobody, "the parameters decide how long it takes"


class TestPreparedAccounts:
    """Nobody can prepare an account that its owner then confirms."""

    async def test_the_password_comes_from_who_reads_the_mail(self, service: Service) -> None:
        answer = await service.post("/v1/auth/sign-up", {"email": "victim@example.org", "password": OTHER_PASSWORD})
        assert answer.status_code == 422
        await service.sign_up("victim@example.org", PASSWORD)
        assert (await service.try_sign_in("victim@example.org", OTHER_PASSWORD)).status_code == 401


class TestSlowingDown:
    async def fail(self, service: Service, count: int, **options: Any) -> list[int]:
        answers = [await service.try_sign_in("a@example.org", OTHER_PASSWORD, **options) for _ in range(count)]
        return [answer.status_code for answer in answers]

    async def test_each_failure_beyond_some_costs_a_longer_wait(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        assert await self.fail(service, 7) == [401] * 5 + [429] * 2
        waits = []
        for _ in range(12):
            refused = await service.try_sign_in("a@example.org")
            assert refused.status_code == 429  # even with the right password
            waits.append(int(refused.headers["Retry-After"]))
            service.clock.now += waits[-1]
            assert await self.fail(service, 1) == [401]
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]

    async def test_the_right_password_after_the_wait_clears_it(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        await self.fail(service, 5)
        service.clock.now += 1
        await service.sign_in("a@example.org")
        assert await self.fail(service, 6) == [401] * 5 + [429]

    async def test_many_at_once_get_no_more_tries(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        answers = await asyncio.gather(*(service.try_sign_in("a@example.org", OTHER_PASSWORD) for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 15

    async def test_it_cant_be_used_to_lock_somebody_out(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        for attacker in range(120):
            await self.fail(service, 2, source=f"203.0.113.{attacker}")
        # From an address of one's own the right password goes through at once, whatever others did.
        await service.sign_in("a@example.org", source="192.0.2.7")

    async def test_under_attack_strangers_get_a_single_try(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        for attacker in range(120):
            await self.fail(service, 2, source=f"203.0.113.{attacker}")
        assert await self.fail(service, 2, source="192.0.2.8") == [401, 429]

    async def test_a_known_device_has_tries_of_its_own_at_the_attackers_address(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        device = (await service.sign_in("a@example.org")).tokens["device_token"]
        await self.fail(service, 6)
        assert (await service.try_sign_in("a@example.org")).status_code == 429
        again = await service.sign_in("a@example.org", device=device)
        assert again.tokens["device_token"] == device
        assert await self.fail(service, 11, device=device) == [401] * 10 + [429]

    async def test_a_device_of_another_account_or_a_made_up_one_is_a_stranger(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        await service.sign_up("b@example.org")
        device = (await service.sign_in("b@example.org")).tokens["device_token"]
        await self.fail(service, 5)
        assert await self.fail(service, 1, device=device) == [429]
        assert await self.fail(service, 1, device="x" * 64) == [429]

    async def test_one_source_that_tries_many_accounts_is_slowed_down(self, service: Service) -> None:
        statuses = []
        for number in range(32):
            answer = await service.try_sign_in(f"{number}@example.org", OTHER_PASSWORD)
            statuses.append(answer.status_code)
        assert statuses == [401] * 30 + [429] * 2

    async def test_an_ipv6_network_is_one_source_and_made_up_hops_are_none(self, service: Service) -> None:
        for host in range(5):
            await self.fail(service, 1, source=f"2001:db8:1:2::{host}")
        assert await self.fail(service, 1, source="2001:db8:1:2:ffff::9") == [429]
        assert await self.fail(service, 1, source="10.9.8.7, 2001:db8:1:2::1") == [429]
        assert await self.fail(service, 1, source="2001:db8:1:3::1") == [401]

    async def test_mail_to_one_address_is_bounded_silently_and_what_came_stays_valid(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        for number in range(5):
            answer = await service.post(
                "/v1/auth/password-reset", {"email": "a@example.org"}, source=f"203.0.113.{number}"
            )
            assert answer.status_code == 202
        tokens = [mail["token"] for mail in await service.mails() if mail["kind"] == "reset_password"]
        assert len(tokens) == 2  # with the sign-up's, three in an hour
        confirmed = await service.post(
            "/v1/auth/password-reset/confirm", {"token": tokens[0], "password": OTHER_PASSWORD}
        )
        assert confirmed.status_code == 204

    async def test_a_source_that_has_mail_sent_to_many_is_slowed_down(self, service: Service) -> None:
        answers = [await service.post("/v1/auth/sign-up", {"email": f"{n}@example.org"}) for n in range(21)]
        assert [answer.status_code for answer in answers] == [202] * 20 + [429]


class TestSessions:
    async def refresh(self, service: Service, token: str) -> Any:
        return await service.post("/v1/auth/refresh", {"refresh_token": token})

    async def test_a_refresh_gives_new_tokens_and_takes_the_old_one(self, service: Service) -> None:
        account = await service.account("a@example.org")
        renewed = (await self.refresh(service, account.tokens["refresh_token"])).json()
        assert renewed["subject"] == account.id
        assert renewed["refresh_token"] != account.tokens["refresh_token"]
        assert (await self.refresh(service, renewed["refresh_token"])).status_code == 200

    async def test_a_token_that_comes_twice_ends_the_session_for_both(self, service: Service) -> None:
        account = await service.account("a@example.org")
        other = await service.sign_in("a@example.org")
        stolen = account.tokens["refresh_token"]
        thief = (await self.refresh(service, stolen)).json()["refresh_token"]
        assert (await self.refresh(service, stolen)).status_code == 401
        assert (await self.refresh(service, thief)).status_code == 401
        # Another session of the same account goes on.
        assert (await self.refresh(service, other.tokens["refresh_token"])).status_code == 200

    async def test_of_two_uses_at_once_at_most_one_is_good_and_the_session_ends(self, service: Service) -> None:
        account = await service.account("a@example.org")
        token = account.tokens["refresh_token"]
        answers = await asyncio.gather(*(self.refresh(service, token) for _ in range(8)))
        good = [answer.json()["refresh_token"] for answer in answers if answer.status_code == 200]
        assert len(good) == 1
        assert (await self.refresh(service, good[0])).status_code == 401

    async def test_tokens_that_arent_good_all_answer_the_same(self, service: Service) -> None:
        account = await service.account("a@example.org")
        used = account.tokens["refresh_token"]
        await self.refresh(service, used)
        answers = [await self.refresh(service, token) for token in (used, "made up")]
        assert [a.status_code for a in answers] == [401, 401]
        assert answers[0].json()["type"] == answers[1].json()["type"]

    async def test_a_session_lies_unused_for_two_weeks_and_lives_for_ninety_days(self, service: Service) -> None:
        day = 86_400
        idle = await service.account("idle@example.org")
        busy = (await service.account("busy@example.org")).tokens["refresh_token"]
        service.clock.now += 14 * day + 1
        assert (await self.refresh(service, idle.tokens["refresh_token"])).status_code == 401
        busy = (await service.sign_in("busy@example.org")).tokens["refresh_token"]
        for _ in range(8):
            service.clock.now += 10 * day
            answer = await self.refresh(service, busy)
            assert answer.status_code == 200
            busy = answer.json()["refresh_token"]
        service.clock.now += 10 * day
        assert (await self.refresh(service, busy)).status_code == 401

    async def test_sign_out_ends_one_session_and_everywhere_all(self, service: Service) -> None:
        first = await service.account("a@example.org")
        second, third = await service.sign_in("a@example.org"), await service.sign_in("a@example.org")
        stranger = await service.account("b@example.org")
        out = await service.post("/v1/auth/sign-out", {"refresh_token": first.tokens["refresh_token"]})
        assert out.status_code == 204
        assert (await service.post("/v1/auth/sign-out", {"refresh_token": "made up"})).status_code == 204
        assert (await self.refresh(service, first.tokens["refresh_token"])).status_code == 401
        everywhere = await service.client.post("/v1/auth/sign-out-everywhere", headers=second.headers)
        assert everywhere.status_code == 204
        assert (await self.refresh(service, third.tokens["refresh_token"])).status_code == 401
        assert (await self.refresh(service, stranger.tokens["refresh_token"])).status_code == 200
        # At the personal data itself it holds at once.
        assert (await service.client.get(second.path, headers=second.headers)).status_code == 401

    async def test_one_session_too_many_ends_the_oldest(self, service: Service) -> None:
        first = await service.account("a@example.org")
        for _ in range(20):
            service.clock.now += 1
            last = await service.sign_in("a@example.org")
        assert (await self.refresh(service, first.tokens["refresh_token"])).status_code == 401
        assert (await self.refresh(service, last.tokens["refresh_token"])).status_code == 200


class TestPasswordReset:
    async def test_it_sets_the_password_and_ends_all_sessions(self, service: Service) -> None:
        account = await service.account("a@example.org")
        await service.post("/v1/auth/password-reset", {"email": "a@example.org"})
        token = await service.mailed_token("a@example.org", "reset_password")
        body = {"token": token, "password": OTHER_PASSWORD}
        assert (await service.post("/v1/auth/password-reset/confirm", body)).status_code == 204
        assert (await service.post("/v1/auth/password-reset/confirm", body)).status_code == 422
        refreshed = await service.post("/v1/auth/refresh", {"refresh_token": account.tokens["refresh_token"]})
        assert refreshed.status_code == 401
        assert (await service.try_sign_in("a@example.org", PASSWORD)).status_code == 401
        await service.sign_in("a@example.org", OTHER_PASSWORD)

    async def test_a_sign_ups_token_resets_nothing(self, service: Service) -> None:
        await service.post("/v1/auth/sign-up", {"email": "a@example.org"})
        token = await service.mailed_token("a@example.org", "verify_email")
        body = {"token": token, "password": OTHER_PASSWORD}
        assert (await service.post("/v1/auth/password-reset/confirm", body)).status_code == 422

    async def test_who_waits_here_for_too_many_tries_is_let_in(self, service: Service) -> None:
        await service.sign_up("a@example.org")
        for _ in range(6):
            await service.try_sign_in("a@example.org", OTHER_PASSWORD)
        await service.post("/v1/auth/password-reset", {"email": "a@example.org"})
        token = await service.mailed_token("a@example.org", "reset_password")
        await service.post("/v1/auth/password-reset/confirm", {"token": token, "password": OTHER_PASSWORD})
        await service.sign_in("a@example.org", OTHER_PASSWORD)


class TestRoles:
    async def test_an_administrator_gives_roles_that_the_next_token_has(self, service: Service) -> None:
        admin = await service.account("admin@example.org", "admin")
        account = await service.account("a@example.org")
        practice = "01890a5d-ac96-774b-bcce-b302099a8057"
        path = f"/v1/auth/accounts/{account.id}/roles"
        body = {"roles": ["staff"], "practices": [practice]}
        assert (await service.client.put(path, json=body, headers=admin.headers)).json() == {"id": account.id, **body}
        again = await service.sign_in("a@example.org")
        principal = await service.app.state.verifier.verify(again.tokens["access_token"])
        assert (principal.roles, principal.practices) == ({Role.STAFF}, {practice})

    @pytest.mark.parametrize("roles", [(), ("support",)])
    async def test_nobody_else_does(self, service: Service, roles: tuple[str, ...]) -> None:
        account = await service.account("a@example.org", *roles)
        path = f"/v1/auth/accounts/{account.id}/roles"
        answer = await service.client.put(path, json={"roles": ["admin"]}, headers=account.headers)
        assert answer.status_code == 403
        assert (await service.client.put(path, json={"roles": ["admin"]})).status_code == 401

    async def test_unknown_accounts_and_staff_of_nothing_are_refused(self, service: Service) -> None:
        admin = await service.account("admin@example.org", "admin")
        path = "/v1/auth/accounts/01890a5d-ac96-774b-bcce-b302099a8057/roles"
        assert (await service.client.get(path, headers=admin.headers)).status_code == 404
        assert (await service.client.put(path, json={"roles": ["patient"]}, headers=admin.headers)).status_code == 404
        mine = f"/v1/auth/accounts/{admin.id}/roles"
        assert (await service.client.put(mine, json={"roles": ["staff"]}, headers=admin.headers)).status_code == 422


async def test_who_waits_for_mail_gets_it_when_it_comes(service: Service) -> None:
    waiting = asyncio.create_task(service.client.get("/internal/patients/outbox", params={"wait": 8}))
    await service.post("/v1/auth/sign-up", {"email": "a@example.org"})
    (mail,) = (await waiting).json()["items"]
    assert (mail["kind"], mail["to"]) == ("verify_email", "a@example.org")
