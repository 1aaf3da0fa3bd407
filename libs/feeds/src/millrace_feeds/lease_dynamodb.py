"""Store leases in DynamoDB, with the attributes of KCL 2.x.

Source: amazon-kinesis-client 2.x, `DynamoDBLeaseSerializer`; `checkpointOwner` is from KCL 3.
"""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from millrace_feeds.aws_errors import map_aws_errors
from millrace_feeds.lease import Lease

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef, UniversalAttributeValueTypeDef

    Item = dict[str, AttributeValueTypeDef]
    NewItem = dict[str, UniversalAttributeValueTypeDef]

LEASE_KEY = "leaseKey"


class DynamoDBLeaseStore:
    """Implements `LeaseStore` with a table whose only key is `leaseKey` (see `provision.create_lease_table`)."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    async def list(self) -> list[Lease]:
        leases: list[Lease] = []
        with map_aws_errors(self._table):
            response = await self._client.scan(TableName=self._table, ConsistentRead=True)
            leases += map(from_item, response["Items"])
            while start := response.get("LastEvaluatedKey"):
                response = await self._client.scan(TableName=self._table, ConsistentRead=True, ExclusiveStartKey=start)
                leases += map(from_item, response["Items"])
        return leases

    async def get(self, key: str) -> Lease | None:
        with map_aws_errors(self._table):
            response = await self._client.get_item(
                TableName=self._table, Key={LEASE_KEY: {"S": key}}, ConsistentRead=True
            )
        return from_item(response["Item"]) if "Item" in response else None

    async def create(self, lease: Lease) -> bool:
        condition = f"attribute_not_exists({LEASE_KEY})"
        return await self._write(
            self._client.put_item(TableName=self._table, Item=to_item(lease), ConditionExpression=condition)
        )

    async def update(self, lease: Lease, expected_counter: int) -> bool:
        return await self._write(
            self._client.put_item(
                TableName=self._table,
                Item=to_item(lease),
                ConditionExpression="leaseCounter = :expected",
                ExpressionAttributeValues={":expected": {"N": str(expected_counter)}},
            )
        )

    async def delete(self, key: str, expected_counter: int) -> bool:
        return await self._write(
            self._client.delete_item(
                TableName=self._table,
                Key={LEASE_KEY: {"S": key}},
                ConditionExpression="leaseCounter = :expected",
                ExpressionAttributeValues={":expected": {"N": str(expected_counter)}},
            )
        )

    async def _write(self, request: Awaitable[object]) -> bool:
        """Send a conditional write; return False if its condition isn't met."""
        with map_aws_errors(self._table):
            try:
                await request
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def to_item(lease: Lease) -> "NewItem":
    """Convert a lease to a DynamoDB item as KCL writes it, without attributes that are unset."""
    item: NewItem = {
        LEASE_KEY: {"S": lease.key},
        "leaseCounter": {"N": str(lease.counter)},
        "checkpoint": {"S": lease.checkpoint},
        "checkpointSubSequenceNumber": {"N": str(lease.sub_sequence)},
        "ownerSwitchesSinceCheckpoint": {"N": str(lease.owner_switches)},
        "startingHashKey": {"S": lease.starting_hash_key},
        "endingHashKey": {"S": lease.ending_hash_key},
    }
    if lease.owner is not None:
        item["leaseOwner"] = {"S": lease.owner}
    if lease.checkpoint_owner is not None:
        item["checkpointOwner"] = {"S": lease.checkpoint_owner}
    if lease.parents:
        item["parentShardId"] = {"SS": list(lease.parents)}
    return item


def from_item(item: "Item") -> Lease:
    """Convert a DynamoDB item that this package or KCL wrote to a lease."""

    def text(name: str, default: str) -> str:
        return item[name]["S"] if name in item else default

    return Lease(
        key=item[LEASE_KEY]["S"],
        owner=text("leaseOwner", "") or None,
        counter=int(item["leaseCounter"]["N"]),
        checkpoint=text("checkpoint", ""),
        sub_sequence=int(item["checkpointSubSequenceNumber"]["N"]) if "checkpointSubSequenceNumber" in item else 0,
        owner_switches=int(item["ownerSwitchesSinceCheckpoint"]["N"]) if "ownerSwitchesSinceCheckpoint" in item else 0,
        parents=tuple(sorted(item["parentShardId"]["SS"])) if "parentShardId" in item else (),
        starting_hash_key=text("startingHashKey", "0"),
        ending_hash_key=text("endingHashKey", str(2**128 - 1)),
        checkpoint_owner=text("checkpointOwner", "") or None,
    )
