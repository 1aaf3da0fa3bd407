"""Signing keys over their life, master keys, KMS, and what comes and goes by itself."""

import json
from collections.abc import AsyncIterator

import pytest
from aiobotocore.session import get_session
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import func, select

from millrace_patients.challenge.tables import challenge
from millrace_patients.composition import open_core
from millrace_patients.crypto.kms import UnwrapError
from millrace_patients.crypto.kms_aws import AwsKms, open_aws_kms
from millrace_patients.crypto.kms_local import MasterKeyError
from millrace_patients.crypto.service_keys import NoRootKeyError
from millrace_patients.email_queue.tables import outbound_mail
from millrace_patients.migrate import migrate, prepare
from millrace_patients.session.tables import refresh_token, session_table
from millrace_patients.signing.ring import ConfiguredKeyRing, DatabaseKeyRing, SigningKeysError
from millrace_patients.signing.tables import signing_key
from millrace_patients.sweep import Sweep
from millrace_patients.throttle.tables import throttle
from millrace_platform.testing import ManualClock

from .running import Service, running, settings_for

DAY = 86_400.0


@pytest.fixture
async def rotating(postgres_dsn: str) -> AsyncIterator[Service]:
    """A service that makes its own signing keys."""
    async with running(settings_for(postgres_dsn, patients_signing_keys=None)) as service:
        yield service


def ring_of(service: Service) -> DatabaseKeyRing:
    ring = service.app.state.identity.issuer.ring
    assert isinstance(ring, DatabaseKeyRing)
    return ring


async def published(service: Service) -> list[str]:
    listed = (await service.client.get("/v1/auth/.well-known/jwks.json")).json()["keys"]
    return [key["kid"] for key in listed]


async def test_keys_rotate_with_an_overlap_and_no_token_becomes_unreadable(rotating: Service) -> None:
    ring, clock = ring_of(rotating), rotating.clock
    [first] = await published(rotating)
    account = await rotating.account("a@example.org")

    async def is_taken(token: str) -> bool:
        answer = await rotating.client.get(account.path, headers={"Authorization": f"Bearer {token}"})
        return answer.status_code == 404  # signed in; there is no profile yet

    clock.now += 30 * DAY
    await ring.refresh()
    old, new = await published(rotating)
    assert (old, ring.signing_key().kid) == (first, first)
    account = await rotating.sign_in("a@example.org")
    clock.now += 899
    assert ring.signing_key().kid == first
    last = (await rotating.sign_in("a@example.org")).tokens["access_token"]
    clock.now += 1
    assert ring.signing_key().kid == new
    assert await is_taken(last)
    assert await is_taken((await rotating.sign_in("a@example.org")).tokens["access_token"])
    clock.now += 900 + 299
    assert await published(rotating) == [first, new]
    clock.now += 1
    assert await published(rotating) == [new]
    await ring.refresh()
    async with rotating.database.read() as session:
        assert (await session.execute(select(signing_key.c.kid))).scalars().all() == [new]


async def test_instances_share_keys_and_a_restart_keeps_them(postgres_dsn: str) -> None:
    settings = settings_for(postgres_dsn, patients_signing_keys=None)
    clock = ManualClock()
    async with running(settings, clock) as one, running(settings, clock) as two:
        kids = await published(one)
        assert await published(two) == kids
        clock.now += 31 * DAY
        await ring_of(one).refresh()
        await ring_of(two).refresh()
        both = await published(one)
        assert await published(two) == both
        assert len(both) == 2
    async with running(settings, clock) as again:
        assert await published(again) == both


async def test_no_private_key_lies_open_in_the_database(rotating: Service) -> None:
    async with rotating.database.read() as session:
        [sealed] = (await session.execute(select(signing_key.c.sealed))).scalars().all()
    assert b"PRIVATE" not in sealed
    assert ring_of(rotating).signer().private.as_pem(private=True) not in sealed


class TestGivenKeys:
    def given(self, *keys: RSAKey | OctKey, private: bool = True) -> GivenKeys:
        return ConfiguredKeyRing(json.dumps({"keys": [key.as_dict(private=private) for key in keys]}))

    def test_the_first_signs_and_all_are_published_without_their_private_part(self) -> None:
        one, two = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
        keys = self.given(one, two)
        assert keys.signing_key().kid == one.thumbprint()
        assert [set(key.public()) for key in keys.published()] == [{"kid", "use", "alg", "kty", "n", "e"}] * 2

    def test_what_cant_sign_is_refused_without_being_quoted(self) -> None:
        for wrong in ('{"keys": []}', "[]", "nonsense", '{"keys": [{"kty": "RSA"}]}'):
            with pytest.raises(SigningKeysError):
                ConfiguredKeyRing(wrong)
        with pytest.raises(SigningKeysError):
            self.given(RSAKey.generate_key(2048), private=False)
        with pytest.raises(SigningKeysError) as raised:
            self.given(OctKey.import_key("a secret of thirty-two characters"))
        assert "secret of" not in str(raised.value)


async def test_it_starts_only_after_init_and_with_its_own_master_key(postgres_dsn: str) -> None:
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
    with pytest.raises(MasterKeyError):
        async with open_core(settings.model_copy(update={"patients_master_keys": ()})):
            raise AssertionError


async def test_aws_kms_wraps_keys_for_their_context(aws_endpoint: str) -> None:
    async with get_session().create_client("kms") as client:
        key_id = (await client.create_key())["KeyMetadata"]["KeyId"]
    async with open_aws_kms(key_id) as kms:
        assert isinstance(kms, AwsKms)
        made = await kms.generate({"person": "1"})
        assert len(made.plain) == 32
        assert made.plain not in made.wrapped
        assert await kms.unwrap(made.wrapped, {"person": "1"}) == made.plain
        with pytest.raises(UnwrapError):
            await kms.unwrap(made.wrapped, {"person": "2"})


async def test_the_sender_takes_mail_oldest_first_and_removes_what_was_sent(service: Service) -> None:
    for name in ("a", "b", "c"):
        await service.post("/v1/auth/sign-up", {"email": f"{name}@example.org"})
    listed = await service.client.get("/internal/patients/outbox", params={"limit": 2})
    assert listed.headers["Cache-Control"] == "no-store"
    first, second = listed.json()["items"]
    assert [first["to"], second["to"]] == ["a@example.org", "b@example.org"]
    for _ in range(2):
        assert (await service.client.delete(f"/internal/patients/outbox/{first['id']}")).status_code == 204
    assert [mail["to"] for mail in await service.mails()] == ["b@example.org", "c@example.org"]


async def test_what_has_had_its_time_is_removed(service: Service) -> None:
    await service.account("a@example.org")
    await service.post("/v1/auth/password-reset", {"email": "a@example.org"})
    await service.try_sign_in("a@example.org", "wrong")
    patients, sign_in_service = service.app.state.patients, service.app.state.identity.sign_in
    registration = service.app.state.identity.registration
    sweep = Sweep(
        patients.units, registration.challenges, sign_in_service.sessions, sign_in_service.throttle, patients.emails
    )
    tables = (challenge, throttle, outbound_mail, session_table, refresh_token)

    async def left() -> list[int]:
        async with service.database.read() as session:
            return [await session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]

    await sweep.run_once()
    assert all(await left())
    service.clock.now += 91 * DAY
    await sweep.run_once()
    assert await left() == [0] * len(tables)


async def test_the_service_is_ready_and_shows_its_figures(service: Service) -> None:
    assert (await service.client.get("/readyz")).status_code == 200
    figures = (await service.client.get("/internal/patients/status")).json()
    assert figures["outbox"]["backlog"] == 0
    assert figures["relay"]["active"] in (True, False)


async def test_the_api_describes_itself(service: Service) -> None:
    described = (await service.client.get("/openapi.json")).json()
    assert described["paths"]["/v1/patients/{patient_id}"]["get"]["security"]
    assert "security" not in described["paths"]["/v1/auth/sign-in"]["post"]
