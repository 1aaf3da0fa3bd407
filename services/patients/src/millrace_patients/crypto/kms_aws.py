"""AWS KMS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from millrace_feeds.aws import AwsSettings
from millrace_patients.crypto.kms import Context, DataKey, KeyRefusedError

if TYPE_CHECKING:
    from types_aiobotocore_kms import KMSClient

_REFUSED = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class AwsKms:
    """Data keys of one symmetric KMS key. Old versions of a key that rotates go on unwrapping by themselves."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    async def generate(self, context: Context) -> DataKey:
        answer = await self._client.generate_data_key(
            KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=dict(context)
        )
        return DataKey(answer["Plaintext"], answer["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        try:
            answer = await self._client.decrypt(
                KeyId=self._key_id, CiphertextBlob=wrapped, EncryptionContext=dict(context)
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _REFUSED:
                raise KeyRefusedError("not of this key, or not for this context") from error
            raise
        return answer["Plaintext"]


@asynccontextmanager
async def open_aws_kms(key_id: str, settings: AwsSettings | None = None) -> AsyncIterator[AwsKms]:
    """KMS, by the environment unless the settings say otherwise."""
    settings = settings or AwsSettings()
    async with get_session().create_client(
        "kms", region_name=settings.region_name, endpoint_url=settings.endpoint_url, config=settings.config()
    ) as client:
        yield AwsKms(client, key_id)
