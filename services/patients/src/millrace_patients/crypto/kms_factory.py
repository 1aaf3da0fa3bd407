"""Selection of the KMS by the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from millrace_patients.crypto.kms import Kms
from millrace_patients.crypto.kms_aws import open_aws_kms
from millrace_patients.crypto.kms_local import LocalKms, decode_master_key, ensure_master_key, read_master_key
from millrace_patients.settings import PatientsSettings


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
        ensure_master_key(settings.patients_master_key_file)
