"""The KMS that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from millrace_patients.crypto.kms import Kms
from millrace_patients.crypto.kms_aws import open_aws_kms
from millrace_patients.crypto.kms_local import LocalKms, decode_master_key, ensure_master_key, read_master_key
from millrace_patients.settings import PatientsSettings


@asynccontextmanager
async def open_kms(settings: PatientsSettings) -> AsyncIterator[Kms]:
    """Raises `MasterKeyError` where there is no key to work with."""
    if settings.patients_kms_key_id is not None:
        async with open_aws_kms(settings.patients_kms_key_id) as kms:
            yield kms
        return
    given = [decode_master_key(key.get_secret_value()) for key in settings.patients_master_keys]
    yield LocalKms(given or [read_master_key(settings.patients_master_key_file)])


def provide_master_key(settings: PatientsSettings) -> None:
    """Make the local master key where no other is named and none is there yet."""
    if settings.patients_kms_key_id is None and not settings.patients_master_keys:
        ensure_master_key(settings.patients_master_key_file)
