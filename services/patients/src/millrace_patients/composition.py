"""Objects that both the service and its commands use: database, KMS, service keys, token issuer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from millrace_feeds.clock import Clock
from millrace_patients.crypto.kms import Kms
from millrace_patients.crypto.kms_aws import open_aws_kms
from millrace_patients.crypto.kms_local import LocalKms, decode_master_key, read_master_key
from millrace_patients.crypto.service_keys import ServiceKeys, load_service_keys
from millrace_patients.session.model import SessionLimits, SessionPolicy
from millrace_patients.settings import PatientsSettings
from millrace_patients.signing.model import RotationPolicy
from millrace_patients.signing.ring import ConfiguredKeyRing, DatabaseKeyRing, KeyRing
from millrace_patients.signing.tokens import TokenIssuer
from millrace_platform.database import Database
from millrace_platform.ids import Ids
from millrace_platform.key_file import create_key_file
from millrace_platform.persistence import open_service_database


@dataclass(frozen=True, slots=True)
class Core:
    """Open resources that both the service and its commands use."""

    database: Database
    kms: Kms
    keys: ServiceKeys


@asynccontextmanager
async def open_kms(settings: PatientsSettings) -> AsyncIterator[Kms]:
    """Open the configured KMS; raise `MasterKeyError` if there is no master key."""
    if settings.patients_kms_key_id is not None:
        async with open_aws_kms(settings.patients_kms_key_id) as kms:
            yield kms
        return
    configured = [decode_master_key(key.get_secret_value()) for key in settings.patients_master_keys]
    yield LocalKms(configured or [read_master_key(settings.patients_master_key_file)])


def provide_master_key(settings: PatientsSettings) -> None:
    """Create the local master key file if the settings use it and it does not exist."""
    if settings.patients_kms_key_id is None and not settings.patients_master_keys:
        create_key_file(settings.patients_master_key_file)


@asynccontextmanager
async def open_core(settings: PatientsSettings) -> AsyncIterator[Core]:
    """Open the database and the KMS and load the service keys.

    Raise `MasterKeyError` or `NoRootKeyError` if `millrace init` has not run.
    """
    async with (
        open_service_database(settings, settings.patients_database_url, name="patients") as database,
        open_kms(settings) as kms,
    ):
        yield Core(database, kms, await load_service_keys(database, kms))


async def open_key_ring(settings: PatientsSettings, core: Core, clock: Clock) -> KeyRing:
    """Return the keys that sign access tokens: configured ones, else those that the service creates and rotates."""
    if settings.patients_signing_keys is not None:
        return ConfiguredKeyRing(settings.patients_signing_keys.get_secret_value())
    rotation = RotationPolicy(
        period=settings.patients_signing_key_period,
        ahead=settings.patients_signing_key_ahead,
        token=settings.patients_access_token_lifetime,
    )
    ring = DatabaseKeyRing(core.database, core.keys.signing, rotation, clock)
    await ring.refresh()
    return ring


def create_issuer(settings: PatientsSettings, ring: KeyRing, clock: Clock, ids: Ids) -> TokenIssuer:
    return TokenIssuer(
        ring, settings.auth_issuer, settings.auth_client_ids[0], settings.patients_access_token_lifetime, clock, ids
    )


def create_session_policy(settings: PatientsSettings) -> SessionPolicy:
    def limits(idle: float, total: float) -> SessionLimits:
        return SessionLimits(timedelta(seconds=idle), timedelta(seconds=total))

    return SessionPolicy(
        patient=limits(settings.patients_refresh_token_lifetime, settings.patients_session_lifetime),
        privileged=limits(
            settings.patients_privileged_refresh_token_lifetime, settings.patients_privileged_session_lifetime
        ),
    )
