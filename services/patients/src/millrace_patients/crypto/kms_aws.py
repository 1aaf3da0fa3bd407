"""Data keys from AWS KMS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from millrace_feeds.aws import AwsSettings
from millrace_patients.crypto.kms import DataKey, EncryptionContext, UnwrapError

if TYPE_CHECKING:
    from types_aiobotocore_kms import KMSClient

_MISMATCH_CODES = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class AwsKms:
    """Wraps data keys by one symmetric AWS KMS key. KMS itself selects the version of a rotated key."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    async def generate(self, context: EncryptionContext) -> DataKey:
        response = await self._client.generate_data_key(
            KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=dict(context)
        )
        return DataKey(response["Plaintext"], response["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, context: EncryptionContext) -> bytes:
        try:
            response = await self._client.decrypt(
                KeyId=self._key_id, CiphertextBlob=wrapped, EncryptionContext=dict(context)
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISMATCH_CODES:
                raise UnwrapError("wrapped by another key or for another context") from error
            raise
        return response["Plaintext"]


@asynccontextmanager
async def open_aws_kms(key_id: str) -> AsyncIterator[AwsKms]:
    """Open AWS KMS with the AWS settings of the environment."""
    settings = AwsSettings()
    async with get_session().create_client(
        "kms", region_name=settings.region_name, endpoint_url=settings.endpoint_url, config=settings.config()
    ) as client:
        yield AwsKms(client, key_id)
