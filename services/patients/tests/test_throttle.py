"""Repeated attempts are delayed by source and account; limits of emails."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from millrace_patients.crypto.service_keys import compute_mac
from millrace_patients.schema import throttle
from millrace_patients.throttle.model import EMAILS_OF_SOURCE

from .running import PASSWORD, Service

OTHER_PASSWORD = "another sentence, about mills"


class TestThrottle:
    @pytest.fixture(autouse=True)
    async def sign_up(self, service: Service) -> None:
        await service.sign_up("a@example.org")

    async def fail(self, service: Service, count: int, **options: Any) -> list[int]:
        responses = [await service.try_sign_in("a@example.org", OTHER_PASSWORD, **options) for _ in range(count)]
        return [response.status_code for response in responses]

    async def test_wait_doubles_after_repeated_failures(self, service: Service) -> None:
        assert await self.fail(service, 7) == [401] * 5 + [429] * 2
        waits = []
        for _ in range(12):
            refused = await service.try_sign_in("a@example.org")
            assert refused.status_code == 429  # even with the right password
            waits.append(int(refused.headers["Retry-After"]))
            service.clock.now += waits[-1]
            assert await self.fail(service, 1) == [401]
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]

    async def test_successful_sign_in_resets_the_count(self, service: Service) -> None:
        await self.fail(service, 5)
        service.clock.now += 1
        await service.sign_in("a@example.org")
        assert await self.fail(service, 6) == [401] * 5 + [429]

    async def test_concurrent_attempts_are_all_counted(self, service: Service) -> None:
        responses = await asyncio.gather(*(service.try_sign_in("a@example.org", OTHER_PASSWORD) for _ in range(20)))
        assert sorted(response.status_code for response in responses) == [401] * 5 + [429] * 15

    async def test_attacks_do_not_lock_the_owner_out(self, service: Service) -> None:
        for attacker in range(120):
            await self.fail(service, 2, source=f"203.0.113.{attacker}")
        # The attackers' failures don't delay a sign-in from another source.
        await service.sign_in("a@example.org", source="192.0.2.7")

    async def test_unknown_source_has_one_attempt_during_an_attack(self, service: Service) -> None:
        for attacker in range(120):
            await self.fail(service, 2, source=f"203.0.113.{attacker}")
        assert await self.fail(service, 2, source="192.0.2.8") == [401, 429]

    async def test_known_device_is_counted_separately(self, service: Service) -> None:
        device = (await service.sign_in("a@example.org")).tokens["device_token"]
        await self.fail(service, 6)
        assert (await service.try_sign_in("a@example.org")).status_code == 429
        again = await service.sign_in("a@example.org", device=device)
        assert again.tokens["device_token"] == device
        assert await self.fail(service, 11, device=device) == [401] * 10 + [429]

    async def test_invalid_device_token_is_ignored(self, service: Service) -> None:
        await service.sign_up("b@example.org")
        device = (await service.sign_in("b@example.org")).tokens["device_token"]
        await self.fail(service, 5)
        assert await self.fail(service, 1, device=device) == [429]
        assert await self.fail(service, 1, device="x" * 64) == [429]

    async def test_source_with_failures_at_many_accounts_is_slowed_down(self, service: Service) -> None:
        statuses = [
            (await service.try_sign_in(f"{number}@example.org", OTHER_PASSWORD)).status_code for number in range(110)
        ]
        assert statuses == [401] * 100 + [429] * 10
        assert await self.count_rows(service) == 1 + 100, "one for the sign-up, and refused attempts leave none"
        service.clock.now += 1
        assert (await service.try_sign_in("110@example.org", OTHER_PASSWORD)).status_code == 401
        # Failures are discarded an hour later.
        service.clock.now += 3601
        await self.fail(service, 2)

    async def count_rows(self, service: Service) -> int:
        async with service.database.read() as session:
            return await session.scalar(select(func.count()).select_from(throttle)) or 0

    async def test_successful_sign_in_leaves_no_row(self, service: Service) -> None:
        before = await self.count_rows(service)
        device = (await service.sign_in("a@example.org")).tokens["device_token"]
        await service.sign_in("a@example.org", device=device)
        assert await self.count_rows(service) == before

    async def test_old_failures_of_a_source_are_forgiven_while_it_is_in_use(self, service: Service) -> None:
        for number in range(90):
            await service.try_sign_in(f"{number}@example.org", OTHER_PASSWORD)
        for number in range(90, 130):
            service.clock.now += 1000
            response = await service.try_sign_in(f"{number}@example.org", OTHER_PASSWORD)
            assert response.status_code == 401

    async def test_ipv6_network_is_one_source_and_forged_hops_are_ignored(self, service: Service) -> None:
        for host in range(5):
            await self.fail(service, 1, source=f"2001:db8:1:2::{host}")
        assert await self.fail(service, 1, source="2001:db8:1:2:ffff::9") == [429]
        assert await self.fail(service, 1, source="10.9.8.7, 2001:db8:1:2::1") == [429]
        assert await self.fail(service, 1, source="2001:db8:1:3::1") == [401]

    async def test_emails_to_one_address_are_limited_and_their_tokens_stay_valid(self, service: Service) -> None:
        async def request(count: int, prefix: str) -> list[str]:
            for number in range(count):
                source = f"{prefix}.{number}"
                response = await service.post("/v1/auth/password-reset", {"email": "a@example.org"}, source=source)
                assert response.status_code == 202
            return [email["token"] for email in await service.queued_emails() if email["kind"] == "reset_password"]

        tokens = await request(5, "203.0.113")
        assert len(tokens) == 3
        # Requests beyond the limit don't prolong it.
        service.clock.now += 3500
        assert len(await request(5, "192.0.2")) == 3
        confirmed = await service.post(
            "/v1/auth/password-reset/confirm", {"token": tokens[0], "password": OTHER_PASSWORD}
        )
        assert confirmed.status_code == 204
        service.clock.now += 101
        assert len(await request(5, "198.51.100")) == 6

    async def request_sign_ups(self, service: Service, numbers: range) -> list[int]:
        responses = [await service.post("/v1/auth/sign-up", {"email": f"{n}@example.org"}) for n in numbers]
        return [response.status_code for response in responses]

    async def test_source_whose_emails_stay_unused_is_throttled(self, service: Service) -> None:
        assert await self.request_sign_ups(service, range(102)) == [202] * 100 + [429] * 2
        service.clock.now += 60
        assert await self.request_sign_ups(service, range(102, 103)) == [202]

    async def test_completed_sign_ups_of_a_source_are_not_failures(self, service: Service) -> None:
        await self.request_sign_ups(service, range(90))
        for name in ("x", "y", "z"):
            email = f"{name}@example.org"
            await service.post("/v1/auth/sign-up", {"email": email})
            token = await service.emailed_token(email, "verify_email")
            verified = await service.post("/v1/auth/verify-email", {"token": token, "password": PASSWORD})
            assert verified.status_code == 201
        assert await self.request_sign_ups(service, range(90, 101)) == [202] * 10 + [429]

    async def test_completed_sign_ups_count_towards_a_generous_limit(self, service: Service) -> None:
        limit = EMAILS_OF_SOURCE.allowance
        by = compute_mac(service.app.state.identity.registration.keys.throttle, "mail by source", "198.51.100.1")
        row = {"source": by, "failures": 0, "successes": 1, "last_attempt_at": service.clock.now}
        async with service.database.transaction() as session:
            await session.execute(insert(throttle), [{**row, "account": b"%d" % n} for n in range(limit)])
        assert await self.request_sign_ups(service, range(1)) == [429]
        service.clock.now += 1
        assert await self.request_sign_ups(service, range(1)) == [202]
