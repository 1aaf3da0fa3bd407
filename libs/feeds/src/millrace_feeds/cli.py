"""`millrace feeds`: how far behind applications are, and their dead letters."""

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

from millrace_feeds.assembly import open_dead_letters, open_transport
from millrace_feeds.aws import dynamodb_client
from millrace_feeds.clock import SystemClock
from millrace_feeds.dead_letters import DeadLetter, DeadLetters, redrive
from millrace_feeds.errors import FeedError
from millrace_feeds.lag import ShardLag, read_lag
from millrace_feeds.lease_dynamodb import DynamoDBLeaseStore

T = TypeVar("T")

app = typer.Typer(help="Change feeds: lag and dead letters.", no_args_is_help=True)
dlq = typer.Typer(help="Records that could not be applied.", no_args_is_help=True)
app.add_typer(dlq, name="dlq")

Application = Annotated[str | None, typer.Option("--application", "-a", help="Only this application's letters.")]


class Reader(NamedTuple):
    """An application, the stream it reads and the table of its leases."""

    application: str
    stream: str
    leases_table: str


def readers() -> list[Reader]:
    """The platform's readers, by the environment."""
    environment = os.environ
    return [
        Reader(
            "refinery",
            environment.get("MILLRACE_CHANGES_STREAM", "changes"),
            environment.get("MILLRACE_REFINERY_LEASES_TABLE", "millrace-refinery-leases"),
        ),
        Reader(
            "projector",
            environment.get("MILLRACE_ENTITIES_STREAM", "entities"),
            environment.get("MILLRACE_PROJECTOR_LEASES_TABLE", "millrace-projector-leases"),
        ),
    ]


def dead_letters_table() -> str:
    return os.environ.get("MILLRACE_DEAD_LETTERS_TABLE", "millrace-dead-letters")


@app.command()
def lag() -> None:
    """Show each shard's checkpoint, worker and lag."""
    table = Table("application", "stream", "shard", "worker", "checkpoint", "lag")
    for reader, shards in _run(_read_lags()):
        for shard in shards:
            worker = shard.worker or "–"
            table.add_row(reader.application, reader.stream, shard.shard_id, worker, shard.checkpoint, _lag_text(shard))
    Console().print(table)


@dlq.command("list")
def list_letters(application: Application = None) -> None:
    """List dead letters, the latest first."""
    letters = sorted(_run(_letters(application)), key=lambda letter: -letter.parked)
    table = Table("id", "parked", "stream", "key", "attempts", "reason")
    for letter in letters:
        table.add_row(
            letter.id, _time_text(letter.parked), letter.stream, letter.key, str(letter.attempts), letter.reason
        )
    Console().print(table if letters else "No dead letters.")


@dlq.command()
def show(letter_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one dead letter with its record."""
    letter = _run(_letter(letter_id))
    if letter is None:
        _fail(f"no dead letter {letter_id}")
    table = Table(show_header=False, box=None)
    for name in ("id", "application", "stream", "shard_id", "sequence", "key", "reason", "attempts"):
        table.add_row(name.removesuffix("_id"), str(getattr(letter, name)))
    table.add_row("arrived", _time_text(letter.arrived))
    table.add_row("parked", _time_text(letter.parked))
    console = Console()
    console.print(table)
    console.print(_body_text(letter.body), markup=False, highlight=False, soft_wrap=True)


@dlq.command("redrive")
def redrive_letters(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All letters (of --application, if given).")] = False,
    application: Application = None,
) -> None:
    """Put records back on the streams they came from, and remove their letters."""
    if bool(letter_ids) == everything:
        _fail("name letters by their ids, or give --all", code=2)
    sent, refused = _run(_redrive(letter_ids or [], application))
    for error in refused:
        typer.echo(str(error), err=True)
    typer.echo(f"{sent} sent again, {len(refused)} not")
    if refused:
        raise typer.Exit(1)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except FeedError as error:
        _fail(str(error))


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message.splitlines()[0], err=True)
    raise typer.Exit(code)


async def _read_lags() -> list[tuple[Reader, Sequence[ShardLag]]]:
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(open_transport())
        client = await stack.enter_async_context(dynamodb_client())
        clock = SystemClock()
        lags: list[tuple[Reader, Sequence[ShardLag]]] = []
        for reader in readers():
            leases = DynamoDBLeaseStore(client, reader.leases_table)
            lags.append((reader, await read_lag(transport, reader.stream, leases, clock)))
        return lags


async def _letters(application: str | None) -> list[DeadLetter]:
    async with open_dead_letters(dead_letters_table()) as letters:
        return [letter async for letter in letters.list(application)]


async def _letter(letter_id: str) -> DeadLetter | None:
    async with open_dead_letters(dead_letters_table()) as letters:
        return await letters.get(letter_id)


async def _redrive(letter_ids: list[str], application: str | None) -> tuple[int, list[FeedError]]:
    async with open_dead_letters(dead_letters_table()) as letters, open_transport() as transport:
        refused: list[FeedError] = []
        names = letter_ids or await _oldest_first(letters, application)
        for name in names:
            try:
                await redrive(letters, transport, name)
            except FeedError as error:
                refused.append(error)
        return len(names) - len(refused), refused


async def _oldest_first(letters: DeadLetters, application: str | None) -> list[str]:
    """In the order of their arrival, so that a key's records keep theirs."""
    found = [(letter.arrived, letter.sequence, letter.id) async for letter in letters.list(application)]
    return [name for *_, name in sorted(found)]


def _lag_text(shard: ShardLag) -> str:
    return "no such shard" if shard.lag_ms is None else f"{shard.lag_ms / 1_000:.1f} s"


def _time_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds")


def _body_text(body: bytes | None) -> str:
    if body is None:
        return "(the record was too large to keep; its position names where the stream has it)"
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode("utf-8", "backslashreplace")
