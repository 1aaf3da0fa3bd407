"""`millrace audit`."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from millrace_patients.audit.model import CHAINS, Head
from millrace_patients.audit.verification import verify
from millrace_patients.commands import in_one_line
from millrace_patients.composition import open_core
from millrace_patients.settings import PatientsSettings

app = typer.Typer(no_args_is_help=True, help="The audit trail of personal data.")


class _Noted(msgspec.Struct, frozen=True):
    chain: Annotated[int, msgspec.Meta(ge=0, lt=CHAINS)]
    seq: Annotated[int, msgspec.Meta(ge=0)]
    digest: str


_lines = msgspec.json.Decoder(_Noted)


@app.callback()
def _group() -> None:
    """The audit trail of personal data."""


@app.command("verify")
def verify_command(
    anchor: Annotated[Path | None, typer.Option(help="Heads as an earlier run printed them.")] = None,
) -> None:
    """Check every chain of the trail and print its head as a line of JSON; exit with 1 where something is wrong.

    Keep the output where the database's owner can't write: given as --anchor later, it proves that nothing up to then
    was cut off.
    """
    anchors = [] if anchor is None else _read_anchors(anchor)
    with in_one_line():
        heads, faults = asyncio.run(_verify(anchors))
    for head in heads:
        typer.echo(msgspec.json.encode(_Noted(head.chain, head.seq, head.digest.hex())).decode())
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)


def _read_anchors(path: Path) -> list[Head]:
    try:
        noted = [_lines.decode(line) for line in path.read_bytes().splitlines() if line]
        return [Head(each.chain, each.seq, bytes.fromhex(each.digest)) for each in noted]
    except (OSError, ValueError, msgspec.DecodeError) as error:
        typer.echo(f"{path} isn't what an earlier run printed: {error}", err=True)
        raise typer.Exit(2) from error


async def _verify(anchors: list[Head]) -> tuple[list[Head], list[str]]:
    async with open_core(PatientsSettings()) as core:
        return await verify(core.database, core.keys.audit, anchors)
