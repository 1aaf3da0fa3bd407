"""`millrace watch-emulator`: restore the AWS emulator's content after it lost acknowledged writes.

The emulator persists its state at a clean stop only. After a kill it has an older state, or none, and reports nothing.
So this command regularly writes a heartbeat, an increasing number, and stores the last acknowledged one in a file. If
the emulator's number is lower, the emulator has lost all later writes: the command creates streams and tables again,
and the owning services replay their data, as after a kill under `millrace up`.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.aws_errors import map_aws_errors
from millrace_feeds.errors import FeedError, NotFound
from millrace_feeds.provision import create_table
from millrace_local.cli import run_command
from millrace_local.home import Home
from millrace_local.up.recovery import PUBLISHERS, replay_everything
from millrace_local.up.supervisor import CommandError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

TABLE = "millrace-emulator"
KEY = "name"
HEARTBEAT_SECONDS = 0.5


class HeartbeatStore(Protocol):
    """Stores heartbeats in the emulator. Both methods raise FeedError while the emulator is unavailable."""

    async def last(self) -> int:
        """Return the last stored heartbeat, or 0."""

    async def write(self, heartbeat: int) -> None:
        """Store the heartbeat and return when it is acknowledged."""


class DynamoDBHeartbeats:
    """Stores heartbeats as the only item of a DynamoDB table."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client

    async def last(self) -> int:
        try:
            with map_aws_errors(TABLE):
                found = await self._client.get_item(TableName=TABLE, Key={KEY: {"S": KEY}}, ConsistentRead=True)
        except NotFound:
            await create_table(self._client, TABLE, KEY)
            return 0
        return int(found["Item"]["beat"]["N"]) if "Item" in found else 0

    async def write(self, heartbeat: int) -> None:
        with map_aws_errors(TABLE):
            await self._client.put_item(TableName=TABLE, Item={KEY: {"S": KEY}, "beat": {"N": str(heartbeat)}})


class AcknowledgedHeartbeat:
    """The last heartbeat that the emulator acknowledged, in a file that is replaced atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.last = int(path.read_text()) if path.exists() else 0

    def store(self, heartbeat: int) -> None:
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(str(heartbeat))
        unfinished.replace(self._path)
        self.last = heartbeat


async def beat_once(
    store: HeartbeatStore, acknowledged: AcknowledgedHeartbeat, restore: Callable[[], Awaitable[None]]
) -> None:
    """Check that the emulator has the last heartbeat, restore its content if not, and write the next heartbeat.

    Raise FeedError and what `restore` raises; the next call then repeats the check.
    """
    stored = await store.last()
    if stored < acknowledged.last:
        await restore()
    following = max(stored, acknowledged.last) + 1
    await store.write(following)
    acknowledged.store(following)


async def restore() -> None:
    """Create streams and tables again and replay all services' data. Raise CommandError."""
    typer.echo("the emulator lost data: replaying all data through the feeds")
    await run_command("init")
    urls = {owner: os.environ[f"MILLRACE_{owner.upper()}_URL"] for owner in PUBLISHERS}
    await replay_everything(urls, os.environ, typer.echo)
    typer.echo("all data is in the outboxes")


async def watch(acknowledged: AcknowledgedHeartbeat) -> None:
    """Write heartbeats until cancelled, and restore the emulator's content whenever it was lost."""
    async with dynamodb_client() as client:
        store = DynamoDBHeartbeats(client)
        while True:
            try:
                await beat_once(store, acknowledged, restore)
            except (FeedError, CommandError) as error:
                typer.echo(f"retrying: {error}")
            await asyncio.sleep(HEARTBEAT_SECONDS)


def watch_emulator() -> None:
    """Restore the content of an AWS emulator that lost it. Not for AWS itself, which loses nothing."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        typer.echo("AWS_ENDPOINT_URL is not set. Set it to the address of the AWS emulator.", err=True)
        raise typer.Exit(2)
    asyncio.run(watch(AcknowledgedHeartbeat(Home.from_environment(os.environ).heartbeat)))
