"""The command `millrace audit`."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from millrace_patients.audit.model import CHAINS, Head
from millrace_patients.audit.verification import verify_trail
from millrace_patients.commands import report_errors
from millrace_patients.composition import open_core
from millrace_patients.settings import PatientsSettings

app = typer.Typer(no_args_is_help=True, help="The audit trail of personal data.")


class _AnchorLine(msgspec.Struct, frozen=True):
    chain: Annotated[int, msgspec.Meta(ge=0, lt=CHAINS)]
    seq: Annotated[int, msgspec.Meta(ge=0)]
    digest: str


_line_decoder = msgspec.json.Decoder(_AnchorLine)


@app.callback()
def _group() -> None:
    """The audit trail of personal data."""


@app.command("verify")
def verify_command(
    anchor: Annotated[Path | None, typer.Option(help="File with the output of an earlier run.")] = None,
) -> None:
    """Check every chain of the trail and print its head as a line of JSON; exit with 1 on faults.

    The verdict is on standard error, apart from the heads.

    Store the output where the database's owner cannot write. Passed as --anchor to a later verification, it proves that
    no earlier entries were cut off.
    """
    anchors = [] if anchor is None else _read_anchors(anchor)
    with report_errors():
        heads, faults = asyncio.run(_verify(anchors))
    for head in heads:
        typer.echo(msgspec.json.encode(_AnchorLine(head.chain, head.seq, head.digest.hex())).decode())
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        typer.echo(f"The audit trail was changed: {len(faults)} faults.", err=True)
        raise typer.Exit(1)
    entries = sum(head.seq for head in heads)
    typer.echo(f"The audit trail is intact: {entries:,} entries in {len(heads)} chains.", err=True)


def _read_anchors(path: Path) -> list[Head]:
    try:
        lines = [_line_decoder.decode(line) for line in path.read_bytes().splitlines() if line]
        return [Head(each.chain, each.seq, bytes.fromhex(each.digest)) for each in lines]
    except (OSError, ValueError, msgspec.DecodeError) as error:
        typer.echo(f"{path} is not the output of `millrace audit verify`: {error}", err=True)
        raise typer.Exit(2) from error


async def _verify(anchors: list[Head]) -> tuple[list[Head], list[str]]:
    async with open_core(PatientsSettings()) as core:
        return await verify_trail(core.database, core.keys.audit, anchors)
