"""Dead letters in a DynamoDB table: partition key `application`, sort key `id`."""

import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from millrace_feeds.aws_errors import translated
from millrace_feeds.dead_letters import DeadLetter, application_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef, UniversalAttributeValueTypeDef

    Item = dict[str, AttributeValueTypeDef]
    NewItem = dict[str, UniversalAttributeValueTypeDef]

PARTITION_KEY = "application"
SORT_KEY = "id"

# An item holds 400 KB; the rest of a letter stays far below the difference.
MAX_BODY = 380_000
_COMPRESS_FROM = 4_096


class DynamoDBDeadLetters:
    """`DeadLetters` over an open client. Bodies of some size are stored deflated."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    async def park(self, letter: DeadLetter) -> None:
        with translated(self._table):
            await self._client.put_item(TableName=self._table, Item=item_of(letter))

    async def get(self, letter: str) -> DeadLetter | None:
        with translated(self._table):
            answer = await self._client.get_item(TableName=self._table, Key=_key(letter), ConsistentRead=True)
        return letter_of(answer["Item"]) if "Item" in answer else None

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
        with translated(self._table):
            async for page in paginator:
                for item in page["Items"]:
                    yield letter_of(item)

    async def count(self, application: str) -> int:
        with translated(self._table):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                Select="COUNT",
                KeyConditionExpression=f"{PARTITION_KEY} = :application",
                ExpressionAttributeValues={":application": {"S": application}},
            )
            return sum([page["Count"] async for page in pages])

    async def remove(self, letter: str) -> None:
        with translated(self._table):
            await self._client.delete_item(TableName=self._table, Key=_key(letter))


def _key(letter: str) -> "NewItem":
    return {PARTITION_KEY: {"S": application_of(letter)}, SORT_KEY: {"S": letter}}


def item_of(letter: DeadLetter) -> "NewItem":
    """Times are unix seconds; `encoding` says how `body` is packed; a body beyond the item limit is left out."""
    item: NewItem = {
        PARTITION_KEY: {"S": letter.application},
        SORT_KEY: {"S": letter.id},
        "stream": {"S": letter.stream},
        "shard": {"S": letter.shard_id},
        "sequence": {"S": letter.sequence},
        "key": {"S": letter.key},
        "reason": {"S": letter.reason},
        "attempts": {"N": str(letter.attempts)},
        "arrived": {"N": repr(letter.arrived)},
        "parked": {"N": repr(letter.parked)},
    }
    if letter.body is not None:
        deflated = len(letter.body) >= _COMPRESS_FROM
        body = zlib.compress(letter.body) if deflated else letter.body
        if len(body) <= MAX_BODY:
            item["body"] = {"B": body}
            item["encoding"] = {"S": "deflate" if deflated else "identity"}
    return item


def letter_of(item: "Item") -> DeadLetter:
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
