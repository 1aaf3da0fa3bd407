"""The command `millrace audit`, for the trails of all services that are installed."""

import asyncio
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Final

import typer

from millrace_platform.audit.anchors import AnchorError, decode_lines, encode_lines
from millrace_platform.audit.model import Head, TrailUnavailableError
from millrace_platform.audit.trail import OpenTrail
from millrace_platform.audit.verification import count_anchored, verify_trail
from millrace_platform.errors import Problem

TRAILS: Final = "millrace.audit_trails"
"""The group of entry points with which services name their trails."""

app = typer.Typer(no_args_is_help=True, help="The audit trails of personal data.")


@app.callback()
def _group() -> None:
    """The audit trails of personal data."""


@app.command("verify")
def verify_command(
    service: Annotated[
        list[str] | None, typer.Option(help="Service whose trail is checked; repeat it for several. Default: all.")
    ] = None,
    anchor: Annotated[Path | None, typer.Option(help="File with the output of an earlier run.")] = None,
) -> None:
    """Check the trails against their digests and anchors; exit with 1 on faults.

    The heads of the chains are lines of JSON on standard output, the verdict is on standard error.

    Anchors, the heads of earlier times, prove that no anchored entry was cut off since. The services write them hourly
    to a bucket or a directory; the output of this command, stored elsewhere, can be passed as --anchor.
    """
    trails = {each.name: each for each in sorted(entry_points(group=TRAILS), key=lambda each: each.name)}
    if unknown := set(service or ()) - trails.keys():
        typer.echo(f"No service {', '.join(sorted(unknown))} has a trail. Use {', '.join(trails)}.", err=True)
        raise typer.Exit(2)
    given = b"" if anchor is None else _read(anchor)
    is_intact = True
    for name in service or trails:
        try:
            heads, faults, anchors = asyncio.run(_verify(name, trails[name].load(), given, str(anchor)))
        except AnchorError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error
        except (TrailUnavailableError, Problem) as error:
            typer.echo(f"{name}: {error}", err=True)
            raise typer.Exit(1) from error
        typer.echo(encode_lines(name, heads).decode(), nl=False)
        is_intact = _report(name, heads, faults, anchors) and is_intact
    if not is_intact:
        raise typer.Exit(1)


def _report(service: str, heads: Sequence[Head], faults: Sequence[str], anchors: Sequence[Head]) -> bool:
    """Print the verdict about one trail and return whether it is intact."""
    for fault in faults:
        typer.echo(f"{service}: {fault}", err=True)
    if faults:
        typer.echo(f"{service}: the audit trail was changed: {len(faults)} faults.", err=True)
        return False
    size = f"{sum(head.seq for head in heads):,} entries, {count_anchored(anchors):,} of them anchored"
    typer.echo(f"{service}: the audit trail is intact: {size}.", err=True)
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        typer.echo(f"{path} can't be read: {error.strerror}. Give the output of `millrace audit verify`.", err=True)
        raise typer.Exit(2) from error


async def _verify(
    service: str, open_trail: OpenTrail, given: bytes, name: str
) -> tuple[list[Head], list[str], list[Head]]:
    """Return the heads, the faults and the anchors of a service's trail."""
    anchors = decode_lines(given, service, name=name)
    async with open_trail() as trail:
        if trail.anchors is not None:
            anchors += await trail.anchors.read()
        heads, faults = await verify_trail(trail.database, trail.key, anchors)
    return heads, faults, anchors
