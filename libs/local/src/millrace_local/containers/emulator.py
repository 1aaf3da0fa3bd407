"""`millrace watch-emulator`: has everything sent again when the AWS emulator came back without what it had been told.

The emulator writes its state at a clean stop only. After a kill it has an older one, or none, and nobody tells. So it
is told a beat now and then, a number that rises, and the last one that it acknowledged is remembered here. When its
own number is behind ours, it has lost what came after it, the beat and everything else: streams and tables are made
anew, and the owners of the data send all of them again, as after a kill under `millrace up`.
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
    """Where beats go. Both raise FeedError while it can't be reached."""

    async def last(self) -> int:
        """The last beat that it still knows; 0 where it knows none."""

    async def tell(self, beat: int) -> None:
        """Returns when it has taken the beat."""


class Dynamo:
    """Beats as the one item of a table of ours."""

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

    async def tell(self, beat: int) -> None:
        with map_aws_errors(TABLE):
            await self._client.put_item(TableName=TABLE, Item={KEY: {"S": KEY}, "beat": {"N": str(beat)}})


class Memory:
    """The last beat that was taken, in a file that is whole at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.last = int(path.read_text()) if path.exists() else 0

    def keep(self, beat: int) -> None:
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(str(beat))
        unfinished.replace(self._path)
        self.last = beat


async def beat_once(emulator: Emulator, memory: Memory, restore: Callable[[], Awaitable[None]]) -> None:
    """Look whether the emulator still knows what it was told; have it restored where it doesn't; tell it the next beat.

    Raises FeedError and what `restore` raises; the next look then finds the same.
    """
    known = await emulator.last()
    if known < memory.last:
        await restore()
    following = max(known, memory.last) + 1
    await emulator.tell(following)
    memory.keep(following)


async def restore() -> None:
    """What the emulator held, out of what the owners hold. Raises CommandError."""
    typer.echo("the emulator has lost what it held: sending everything through the feeds again")
    await command("init")
    urls = {owner: os.environ[f"MILLRACE_{owner.upper()}_URL"] for owner in OWNERS}
    await replay_everything(urls, typer.echo)
    typer.echo("everything is on its way")


async def watch(memory: Memory) -> None:
    """Until it is ended."""
    async with dynamodb_client() as client:
        emulator = Dynamo(client)
        while True:
            try:
                await beat_once(emulator, memory, restore)
            except (FeedError, CommandError) as error:
                typer.echo(f"will look again: {error}")
            await asyncio.sleep(BEAT_SECONDS)


def watch_emulator() -> None:
    """Restore what an AWS emulator held when it came back without it. Not for AWS itself, which loses nothing."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        typer.echo("AWS_ENDPOINT_URL names no emulator", err=True)
        raise typer.Exit(2)
    asyncio.run(watch(Memory(Home.of(os.environ).beat)))
