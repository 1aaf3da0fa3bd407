"""`millrace watch-emulator`: restore the AWS emulator's content after it lost acknowledged writes.

The emulator persists its state at a clean stop only. After a kill it has an older state, or none, without notice. So
this command regularly writes a heartbeat, an increasing number, and stores the last acknowledged one itself. If the
emulator's number is lower, it has lost all later writes: streams and tables are created
again, and the owning services replay their data, as after a kill under `millrace up`.
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
from millrace_local.containers.running import command
from millrace_local.home import Home
from millrace_local.up.recovery import OWNERS, replay_everything
from millrace_local.up.supervisor import CommandError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

TABLE = "millrace-emulator"
KEY = "name"
BEAT_SECONDS = 0.5


class Emulator(Protocol):
    """Stores heartbeats. Both methods raise FeedError while it is unavailable."""

    async def last(self) -> int:
        """Return the last stored heartbeat, or 0."""

    async def write(self, beat: int) -> None:
        """Store the heartbeat and return when it is acknowledged."""


class Dynamo:
    """Stores heartbeats as one item of a table of ours."""

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

    async def write(self, beat: int) -> None:
        with map_aws_errors(TABLE):
            await self._client.put_item(TableName=TABLE, Item={KEY: {"S": KEY}, "beat": {"N": str(beat)}})


class Memory:
    """The last acknowledged heartbeat, in a file that is replaced atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.last = int(path.read_text()) if path.exists() else 0

    def store(self, beat: int) -> None:
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(str(beat))
        unfinished.replace(self._path)
        self.last = beat


async def beat_once(emulator: Emulator, memory: Memory, restore: Callable[[], Awaitable[None]]) -> None:
    """Check that the emulator has the last heartbeat, restore its content if not, and write the next heartbeat.

    Raise FeedError and what `restore` raises; the next call then repeats the check.
    """
    known = await emulator.last()
    if known < memory.last:
        await restore()
    following = max(known, memory.last) + 1
    await emulator.write(following)
    memory.store(following)


async def restore() -> None:
    """Create streams and tables again and replay all services' data. Raise CommandError."""
    typer.echo("the emulator has lost what it held: sending everything through the feeds again")
    await command("init")
    urls = {owner: os.environ[f"MILLRACE_{owner.upper()}_URL"] for owner in OWNERS}
    await replay_everything(urls, typer.echo)
    typer.echo("everything is on its way")


async def watch(memory: Memory) -> None:
    """Write heartbeats until cancelled."""
    async with dynamodb_client() as client:
        emulator = Dynamo(client)
        while True:
            try:
                await beat_once(emulator, memory, restore)
            except (FeedError, CommandError) as error:
                typer.echo(f"will look again: {error}")
            await asyncio.sleep(BEAT_SECONDS)


def watch_emulator() -> None:
    """Restore the content of an AWS emulator that lost it. Not for AWS itself, which loses nothing."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        typer.echo("AWS_ENDPOINT_URL names no emulator", err=True)
        raise typer.Exit(2)
    asyncio.run(watch(Memory(Home.of(os.environ).heartbeat)))
