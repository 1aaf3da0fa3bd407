"""The command `millrace certificates`."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from millrace_local.certificates.files import Certificates
from millrace_local.routes import SERVICES

BAD_INPUT: Final = 2
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?", re.ASCII)


def certificates(
    directory: Annotated[Path, typer.Argument(help="Where `ca.pem` and each `<name>.pem`, `<name>-key.pem` go.")],
    names: Annotated[
        list[str] | None,
        typer.Option(help="NAME=HOST[,HOST…]: a name and its DNS names or IP addresses. Default: each service's own."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days for which they are valid.")] = 365,
    renew: Annotated[bool, typer.Option("--renew", help="Replace certificates that are still valid.")] = False,
) -> None:
    """Make certificates and keys with which services listen by TLS, and the authority that verifies them.

    Valid ones stay until 30 days before their end, unless --renew is given or the names differ. A renewal retains the
    authorities before it in `ca.pem`: give all services that file before the new certificates. The key of the authority
    is not stored, so all certificates are always made together.
    """
    hosts = _parse_names(names or [f"{service}={service},localhost" for service in SERVICES])
    stored = Certificates(directory, hosts)
    now = datetime.now(UTC)
    if not renew and (end := stored.find_end(now)) is not None:
        typer.echo(f"The certificates in {directory} are valid until {end:%Y-%m-%d}.")
        return
    try:
        stored.renew(now, timedelta(days=days))
    except OSError as error:
        _fail(f"Certificates can't be written to {directory}: {error.strerror}. Name a directory that you may write.")
    typer.echo(f"Made {len(hosts)} certificates in {directory}, valid until {now + timedelta(days=days):%Y-%m-%d}.")


def _parse_names(options: Sequence[str]) -> dict[str, list[str]]:
    """Return the hosts by name."""
    parsed: dict[str, list[str]] = {}
    for option in options:
        name, _, listed = option.partition("=")
        hosts = listed.split(",")
        if not _NAME.fullmatch(name) or not all(map(_HOST.fullmatch, hosts)):
            _fail("--names is invalid. Give a name of small letters and its hosts, e.g. patients=patients,localhost.")
        if name in parsed or name == "ca":
            _fail(f"--names has {name} twice, or it is ca, the authority's. Give each name once.")
        parsed[name] = hosts
    return parsed


def _fail(text: str) -> NoReturn:
    typer.echo(f"millrace certificates: {text}", err=True)
    raise typer.Exit(BAD_INPUT)
