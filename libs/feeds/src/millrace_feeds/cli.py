"""The commands `millrace feeds`: show the lag of consumers; list, show and redrive dead letters."""

import asyncio
import json
import os
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.clock import SystemClock
from millrace_feeds.dead_letters import DeadLetter, DeadLetterStore, redrive
from millrace_feeds.errors import FeedError, NotFound
from millrace_feeds.lag import ShardLag, read_lag
from millrace_feeds.lease_dynamodb import DynamoDBLeaseStore
from millrace_feeds.wiring import open_dead_letters, open_transport

T = TypeVar("T")
WORKER_WIDTH = 20
CHECKPOINT_WIDTH = 12
"""Columns of `feeds lag`, which fits a terminal of 80 columns."""

app = typer.Typer(help="Change feeds: lag and dead letters.", no_args_is_help=True)
dlq = typer.Typer(help="Dead letters: records that could not be applied.", no_args_is_help=True)
app.add_typer(dlq, name="dlq")

Application = Annotated[str | None, typer.Option("--application", "-a", help="Only dead letters of this application.")]


class ConsumerGroup(NamedTuple):
    """The workers of one application: its name, the stream it consumes, and the DynamoDB table of its leases."""

    application: str
    stream: str
    leases_table: str


_CONSUMER_GROUPS = (
    ("refinery", "changes"),
    ("projector", "entities"),
    ("scheduling", "entities"),
    ("reviews", "entities"),
    ("notifications", "entities"),
    ("patients", "entities"),
    ("directory", "entities"),
)
"""The applications that consume a stream, and the default name of the stream."""


def consumer_groups() -> list[ConsumerGroup]:
    """Return the consumer groups whose lag is shown; environment variables can change their streams and tables."""
    environment = os.environ
    return [
        ConsumerGroup(
            application,
            environment.get(f"MILLRACE_{stream.upper()}_STREAM", stream),
            environment.get(f"MILLRACE_{application.upper()}_LEASES_TABLE", f"millrace-{application}-leases"),
        )
        for application, stream in _CONSUMER_GROUPS
    ]


def dead_letters_table() -> str:
    return os.environ.get("MILLRACE_DEAD_LETTERS_TABLE", "millrace-dead-letters")


@app.command()
def lag() -> None:
    """Show each shard's worker, checkpoint and lag, of all consumer groups."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("application", "stream", "shard"):
        table.add_column(name, no_wrap=True)
    table.add_column("worker", no_wrap=True, overflow="ellipsis", max_width=WORKER_WIDTH)
    table.add_column("checkpoint", no_wrap=True)
    table.add_column("lag", no_wrap=True, justify="right")
    for group, shards in _run(_read_lags()):
        if not shards:
            table.add_row(group.application, group.stream, "–", "–", "–", "not started")
        for shard in shards:
            table.add_row(
                group.application,
                group.stream,
                _format_shard(shard.shard_id),
                shard.worker or "–",
                _format_checkpoint(shard.checkpoint),
                _format_lag(shard),
            )
    Console().print(table)


@dlq.command("list")
def list_dead_letters(application: Application = None) -> None:
    """List dead letters, the latest first."""
    entries = sorted(_run(_load_dead_letters(application)), key=lambda entry: -entry.parked)
    table = Table("id", "parked", "stream", "key", "attempts", "reason")
    for entry in entries:
        table.add_row(entry.id, _format_time(entry.parked), entry.stream, entry.key, str(entry.attempts), entry.reason)
    Console().print(table if entries else "No dead letters.")


@dlq.command()
def show(dead_letter_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one dead letter with its record."""
    entry = _run(_find_dead_letter(dead_letter_id))
    if entry is None:
        _fail("There is no such dead letter. `millrace feeds dlq list` lists them.")
    table = Table(show_header=False, box=None)
    for name in ("id", "application", "stream", "shard_id", "sequence", "key", "reason", "attempts"):
        table.add_row(name.removesuffix("_id"), str(getattr(entry, name)))
    table.add_row("arrived", _format_time(entry.arrived))
    table.add_row("parked", _format_time(entry.parked))
    console = Console()
    console.print(table)
    console.print(_format_body(entry.body), markup=False, highlight=False, soft_wrap=True)


@dlq.command("redrive")
def redrive_dead_letters(
    dead_letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters (of --application, if given).")] = False,
    application: Application = None,
) -> None:
    """Put the records of dead letters back on their streams, and remove the dead letters."""
    if bool(dead_letter_ids) == everything:
        _fail("give either the ids of dead letters or --all", code=2)
    sent, errors = _run(_redrive(dead_letter_ids or [], application))
    for error in errors:
        typer.echo(str(error), err=True)
    if sent or not errors:
        typer.echo(f"{sent} sent again, {len(errors)} failed")
    if errors:
        raise typer.Exit(1)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except FeedError as error:
        _fail(str(error))


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message.splitlines()[0], err=True)
    raise typer.Exit(code)


async def _read_lags() -> list[tuple[ConsumerGroup, Sequence[ShardLag]]]:
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(open_transport())
        client = await stack.enter_async_context(dynamodb_client())
        clock = SystemClock()
        lags: list[tuple[ConsumerGroup, Sequence[ShardLag]]] = []
        for group in consumer_groups():
            leases = DynamoDBLeaseStore(client, group.leases_table)
            try:
                lags.append((group, await read_lag(transport, group.stream, leases, clock)))
            except NotFound:  # the lease table of a group that never ran
                lags.append((group, ()))
        return lags


async def _load_dead_letters(application: str | None) -> list[DeadLetter]:
    async with open_dead_letters(dead_letters_table()) as store:
        return [entry async for entry in store.list(application)]


async def _find_dead_letter(dead_letter_id: str) -> DeadLetter | None:
    async with open_dead_letters(dead_letters_table()) as store:
        return await store.get(dead_letter_id)


async def _redrive(dead_letter_ids: list[str], application: str | None) -> tuple[int, list[FeedError]]:
    """Redrive these dead letters, all without ids; return the number of records sent and the errors of the others."""
    async with open_dead_letters(dead_letters_table()) as store, open_transport() as transport:
        errors: list[FeedError] = []
        ids = dead_letter_ids or await _ids_by_arrival(store, application)
        for each in ids:
            try:
                await redrive(store, transport, each)
            except FeedError as error:
                errors.append(error)
        return len(ids) - len(errors), errors


async def _ids_by_arrival(store: DeadLetterStore, application: str | None) -> list[str]:
    """Return the ids of dead letters in their records' order of arrival, so that each key's records stay in order."""
    entries = [(entry.arrived, entry.sequence, entry.id) async for entry in store.list(application)]
    return [dead_letter_id for *_, dead_letter_id in sorted(entries)]


def _format_shard(shard_id: str) -> str:
    """Return a shard id without the zeros of Kinesis: `shardId-000000000003` → `3`."""
    return shard_id.removeprefix("shardId-").lstrip("0") or "0"


def _format_checkpoint(checkpoint: str) -> str:
    """Return the end of a sequence number, which has 56 digits."""
    return checkpoint if len(checkpoint) <= CHECKPOINT_WIDTH else f"…{checkpoint[1 - CHECKPOINT_WIDTH :]}"


def _format_lag(shard: ShardLag) -> str:
    return "no such shard" if shard.lag_ms is None else f"{shard.lag_ms / 1_000:.1f} s"


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds")


def _format_body(body: bytes | None) -> str:
    if body is None:
        return "(the record was too large to store; read it from the stream at this sequence number)"
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode("utf-8", "backslashreplace")
