"""Store dead letters in a DynamoDB table: partition key `application`, sort key `id`."""

import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from millrace_feeds.aws_errors import map_aws_errors
from millrace_feeds.dead_letters import DeadLetter, application_from_id

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef, UniversalAttributeValueTypeDef

    Item = dict[str, AttributeValueTypeDef]
    NewItem = dict[str, UniversalAttributeValueTypeDef]

PARTITION_KEY = "application"
SORT_KEY = "id"

# An item may have 400 KB; the other attributes need far less than the difference.
MAX_BODY = 380_000
_COMPRESS_FROM = 4_096


class DynamoDBDeadLetterStore:
    """Implements `DeadLetterStore` with an open client. Bodies of 4 KiB and more are compressed (deflate)."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    async def park(self, dead_letter: DeadLetter) -> None:
        with map_aws_errors(self._table):
            await self._client.put_item(TableName=self._table, Item=to_item(dead_letter))

    async def get(self, dead_letter_id: str) -> DeadLetter | None:
        with map_aws_errors(self._table):
            response = await self._client.get_item(TableName=self._table, Key=_key(dead_letter_id), ConsistentRead=True)
        return from_item(response["Item"]) if "Item" in response else None

    async def list(self, application: str | None = None) -> AsyncIterator[DeadLetter]:
        paginator = (
            self._client.get_paginator("scan").paginate(TableName=self._table)
            if application is None
            else self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression=f"{PARTITION_KEY} = :application",
                ExpressionAttributeValues={":application": {"S": application}},
            )
        )
        with map_aws_errors(self._table):
            async for page in paginator:
                for item in page["Items"]:
                    yield from_item(item)

    async def count(self, application: str) -> int:
        with map_aws_errors(self._table):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                Select="COUNT",
                KeyConditionExpression=f"{PARTITION_KEY} = :application",
                ExpressionAttributeValues={":application": {"S": application}},
            )
            return sum([page["Count"] async for page in pages])

    async def remove(self, dead_letter_id: str) -> None:
        with map_aws_errors(self._table):
            await self._client.delete_item(TableName=self._table, Key=_key(dead_letter_id))


def _key(dead_letter_id: str) -> "NewItem":
    return {PARTITION_KEY: {"S": application_from_id(dead_letter_id)}, SORT_KEY: {"S": dead_letter_id}}


def to_item(dead_letter: DeadLetter) -> "NewItem":
    """Convert a dead letter to an item with times in Unix seconds; omit the body if it is too large."""
    item: NewItem = {
        PARTITION_KEY: {"S": dead_letter.application},
        SORT_KEY: {"S": dead_letter.id},
        "stream": {"S": dead_letter.stream},
        "shard": {"S": dead_letter.shard_id},
        "sequence": {"S": dead_letter.sequence},
        "key": {"S": dead_letter.key},
        "reason": {"S": dead_letter.reason},
        "attempts": {"N": str(dead_letter.attempts)},
        "arrived": {"N": repr(dead_letter.arrived)},
        "parked": {"N": repr(dead_letter.parked)},
    }
    if dead_letter.body is not None:
        deflated = len(dead_letter.body) >= _COMPRESS_FROM
        body = zlib.compress(dead_letter.body) if deflated else dead_letter.body
        if len(body) <= MAX_BODY:
            item["body"] = {"B": body}
            item["encoding"] = {"S": "deflate" if deflated else "identity"}
    return item


def from_item(item: "Item") -> DeadLetter:
    body = bytes(item["body"]["B"]) if "body" in item else None
    if body is not None and item["encoding"]["S"] == "deflate":
        body = zlib.decompress(body)
    return DeadLetter(
        id=item[SORT_KEY]["S"],
        application=item[PARTITION_KEY]["S"],
        stream=item["stream"]["S"],
        shard_id=item["shard"]["S"],
        sequence=item["sequence"]["S"],
        key=item["key"]["S"],
        reason=item["reason"]["S"],
        attempts=int(item["attempts"]["N"]),
        arrived=float(item["arrived"]["N"]),
        parked=float(item["parked"]["N"]),
        body=body,
    )
