"""`millrace token`."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from millrace_feeds.clock import SystemClock, utc_now
from millrace_patients.account.model import find_inconsistency
from millrace_patients.commands import report_errors
from millrace_patients.composition import issuer_of, open_core, open_ring
from millrace_patients.settings import PatientsSettings
from millrace_platform.authentication import Role
from millrace_platform.ids import Uuid7

BAD_INPUT = 2


def token(
    role: Annotated[list[Role], typer.Option(help="Repeat it for several.")],
    practice: Annotated[list[UUID] | None, typer.Option(help="Id of a practice that staff works for.")] = None,
) -> None:
    """Print an access token of these roles, for curl and scripts: good for minutes, and of no account.

    Whoever may run this could read the signing key. It opens no personal data: that takes the session of a sign-in.
    """
    settings, practices = PatientsSettings(), tuple(practice or ())
    wrong = find_inconsistency(tuple(role), practices)
    if settings.patients_identity != "local":
        wrong = "Another issuer makes the tokens here: MILLRACE_PATIENTS_IDENTITY isn't local."
    if wrong is not None:
        typer.echo(wrong, err=True)
        raise typer.Exit(BAD_INPUT)
    with report_errors():
        typer.echo(asyncio.run(_token(settings, tuple(role), practices)))


async def _token(settings: PatientsSettings, roles: tuple[Role, ...], practices: tuple[UUID, ...]) -> str:
    clock = SystemClock()
    ids = Uuid7(clock)
    async with open_core(settings) as core:
        issuer = issuer_of(settings, await open_ring(settings, core, clock), clock, ids)
        now = utc_now(clock)
        return issuer.issue(ids(), roles=roles, practices=practices, session=ids(), authenticated_at=now)
