"""Signing key rotation, master keys, KMS, the email queue and the removal of expired rows."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import AsyncMock
from uuid import UUID, uuid4

import pytest
from aiobotocore.session import get_session
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import func, select

from millrace_patients.composition import open_core
from millrace_patients.crypto.kms import UnwrapError
from millrace_patients.crypto.kms_aws import AwsKms, open_aws_kms
from millrace_patients.crypto.kms_local import LocalKms, MasterKeyError
from millrace_patients.crypto.service_keys import NoRootKeyError
from millrace_patients.migrate import migrate, prepare
from millrace_patients.person.vault import PersonKey, Vault
from millrace_patients.schema import challenge, queued_email, refresh_token, session_table, signing_key, throttle
from millrace_patients.signing.ring import ConfiguredKeyRing, DatabaseKeyRing, SigningKeysError
from millrace_patients.sweep import Sweep
from millrace_platform.testing import ManualClock

from .running import Service, running, settings_for

DAY = 86_400.0


@pytest.fixture
async def rotating(postgres_dsn: str) -> AsyncIterator[Service]:
    """Run a service that creates its own signing keys."""
    async with running(settings_for(postgres_dsn, patients_signing_keys=None)) as service:
        yield service


def ring_of(service: Service) -> DatabaseKeyRing:
    ring = service.app.state.identity.issuer.ring
    assert isinstance(ring, DatabaseKeyRing)
    return ring


async def published_kids(service: Service) -> list[str]:
    response = (await service.client.get("/v1/auth/.well-known/jwks.json")).json()["keys"]
    return [key["kid"] for key in response]


async def test_tokens_stay_valid_across_key_rotation(rotating: Service) -> None:
    ring, clock = ring_of(rotating), rotating.clock
    [first] = await published_kids(rotating)
    account = await rotating.account("a@example.org")

    async def is_accepted(token: str) -> bool:
        response = await rotating.client.get(account.path, headers={"Authorization": f"Bearer {token}"})
        return response.status_code == 404  # signed in; there is no profile yet

    clock.now += 30 * DAY
    await ring.refresh()
    old, new = await published_kids(rotating)
    assert (old, ring.signing_key().kid) == (first, first)
    account = await rotating.sign_in("a@example.org")
    clock.now += 899
    assert ring.signing_key().kid == first
    last = (await rotating.sign_in("a@example.org")).tokens["access_token"]
    clock.now += 1
    assert ring.signing_key().kid == new
    assert await is_accepted(last)
    assert await is_accepted((await rotating.sign_in("a@example.org")).tokens["access_token"])
    clock.now += 900 + 299
    assert await published_kids(rotating) == [first, new]
    clock.now += 1
    assert await published_kids(rotating) == [new]
    await ring.refresh()
    async with rotating.database.read() as session:
        assert (await session.execute(select(signing_key.c.kid))).scalars().all() == [new]


async def test_instances_share_keys_and_reload_them_after_a_restart(postgres_dsn: str) -> None:
    settings = settings_for(postgres_dsn, patients_signing_keys=None)
    clock = ManualClock()
    async with running(settings, clock) as one, running(settings, clock) as two:
        kids = await published_kids(one)
        assert await published_kids(two) == kids
        clock.now += 31 * DAY
        await ring_of(one).refresh()
        await ring_of(two).refresh()
        both = await published_kids(one)
        assert await published_kids(two) == both
        assert len(both) == 2
    async with running(settings, clock) as again:
        assert await published_kids(again) == both


async def test_generated_keys_have_128_bits_of_security(rotating: Service) -> None:
    assert ring_of(rotating).signing_key().private.raw_value.key_size >= 3072


async def test_private_keys_are_sealed_in_the_database(rotating: Service) -> None:
    async with rotating.database.read() as session:
        [sealed] = (await session.execute(select(signing_key.c.sealed))).scalars().all()
    assert b"PRIVATE" not in sealed
    assert ring_of(rotating).signing_key().private.as_pem(private=True) not in sealed


class TestConfiguredKeyRing:
    def key_ring(self, *keys: RSAKey | OctKey, private: bool = True) -> ConfiguredKeyRing:
        return ConfiguredKeyRing(json.dumps({"keys": [key.as_dict(private=private) for key in keys]}))

    def test_first_key_signs_and_public_parts_are_published(self) -> None:
        one, two = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
        keys = self.key_ring(one, two)
        assert keys.signing_key().kid == one.thumbprint()
        assert [set(key.public()) for key in keys.published()] == [{"kid", "use", "alg", "kty", "n", "e"}] * 2

    def test_unusable_keys_are_rejected_without_quoting_them(self) -> None:
        for wrong in ('{"keys": []}', "[]", "nonsense", '{"keys": [{"kty": "RSA"}]}'):
            with pytest.raises(SigningKeysError):
                ConfiguredKeyRing(wrong)
        with pytest.raises(SigningKeysError):
            self.key_ring(RSAKey.generate_key(2048), private=False)
        with pytest.raises(SigningKeysError) as raised:
            self.key_ring(OctKey.import_key("a secret of thirty-two characters"))
        assert "secret of" not in str(raised.value)


async def test_start_requires_init_and_the_right_master_key(postgres_dsn: str, tmp_path: Path) -> None:
    settings = settings_for(postgres_dsn)
    await migrate(postgres_dsn)
    with pytest.raises(NoRootKeyError):
        async with open_core(settings):
            raise AssertionError
    await prepare(settings)
    await prepare(settings)
    async with open_core(settings):
        with pytest.raises(UnwrapError):
            async with open_core(settings_for(postgres_dsn)):
                raise AssertionError
    no_key = {"patients_master_keys": (), "patients_master_key_file": tmp_path / "missing"}
    with pytest.raises(MasterKeyError):
        async with open_core(settings.model_copy(update=no_key)):
            raise AssertionError


async def test_aws_kms_binds_keys_to_their_context(aws_endpoint: str) -> None:
    async with get_session().create_client("kms") as client:
        key_id = (await client.create_key())["KeyMetadata"]["KeyId"]
    async with open_aws_kms(key_id) as kms:
        assert isinstance(kms, AwsKms)
        generated = await kms.generate({"person": "1"})
        assert len(generated.plain) == 32
        assert generated.plain not in generated.wrapped
        assert await kms.unwrap(generated.wrapped, {"person": "1"}) == generated.plain
        with pytest.raises(UnwrapError):
            await kms.unwrap(generated.wrapped, {"person": "2"})


async def test_unwrapped_keys_are_cached_for_minutes_and_dropped_on_erasure(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_patients.person.vault.CACHE_SIZE", 2)
    kms, now = LocalKms([bytes(32)]), service.app.state.patients.units.now()
    unwrap = AsyncMock(side_effect=kms.unwrap)
    monkeypatch.setattr(kms, "unwrap", unwrap)
    vault, (one, two, three) = Vault(kms, service.clock), (uuid4(), uuid4(), uuid4())

    async def find(owner: UUID) -> PersonKey | None:
        async with service.database.read() as session:
            return await vault.find(session, owner)

    async def count_unwraps(*owners: UUID) -> int:
        unwrap.reset_mock()
        for owner in owners:
            assert await find(owner) is not None
        return unwrap.await_count

    async with service.database.transaction() as session:
        keys = [await vault.create(session, owner, now) for owner in (one, two, three)]
        assert await vault.create(session, one, now) is None
    assert [*await asyncio.gather(find(one), find(one))] == [keys[0]] * 2
    service.clock.now += 299
    assert await count_unwraps(one) == 0
    service.clock.now += 1
    assert await count_unwraps(one) == 1
    assert await count_unwraps(two, three, one) == 3
    async with service.database.transaction() as session:
        assert await vault.shred(session, one, now)
    assert await find(one) is None
    assert await count_unwraps(two, three) == 1, "the erased person's key leaves a free entry"


async def test_outbox_lists_oldest_emails_until_they_are_deleted(service: Service) -> None:
    for name in ("a", "b", "c"):
        await service.post("/v1/auth/sign-up", {"email": f"{name}@example.org"})
    response = await service.client.get("/internal/patients/outbox", params={"limit": 2})
    assert response.headers["Cache-Control"] == "no-store"
    first, second = response.json()["items"]
    assert [first["to"], second["to"]] == ["a@example.org", "b@example.org"]
    for _ in range(2):
        assert (await service.client.delete(f"/internal/patients/outbox/{first['id']}")).status_code == 204
    assert [email["to"] for email in await service.queued_emails()] == ["b@example.org", "c@example.org"]


async def test_sweep_deletes_expired_rows(service: Service) -> None:
    await service.account("a@example.org")
    await service.post("/v1/auth/password-reset", {"email": "a@example.org"})
    await service.try_sign_in("a@example.org", "wrong")
    wired = service.app.state.identity.registration
    sweep = Sweep(wired.units, wired.challenges, wired.sessions, wired.throttle, wired.emails)
    tables = (challenge, throttle, queued_email, session_table, refresh_token)

    async def count_rows() -> list[int]:
        async with service.database.read() as session:
            return [await session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]

    await sweep.run_once()
    assert all(await count_rows())
    service.clock.now += 91 * DAY
    await sweep.run_once()
    assert await count_rows() == [0] * len(tables)


async def test_service_is_ready_and_reports_stats(service: Service) -> None:
    assert (await service.client.get("/readyz")).status_code == 200
    stats = (await service.client.get("/internal/patients/status")).json()
    assert stats["outbox"]["backlog"] == 0
    assert stats["relay"]["active"] in (True, False)


async def test_openapi_document_marks_secured_routes(service: Service) -> None:
    described = (await service.client.get("/openapi.json")).json()
    assert described["paths"]["/v1/patients/{patient_id}"]["get"]["security"]
    assert "security" not in described["paths"]["/v1/auth/sign-in"]["post"]
