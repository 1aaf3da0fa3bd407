"""The command `millrace token`."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from millrace_feeds.clock import utc_now
from millrace_patients.account.model import find_inconsistency
from millrace_patients.commands import report_errors
from millrace_patients.composition import create_issuer, open_core, open_key_ring
from millrace_patients.settings import PatientsSettings
from millrace_platform.authentication import Role
from millrace_platform.ids import Uuid7

BAD_INPUT = 2


def token(
    role: Annotated[list[Role], typer.Option(help="Role of the token; repeat the option for several.")],
    practice: Annotated[list[UUID] | None, typer.Option(help="Id of a practice the staff member works for.")] = None,
) -> None:
    """Print an access token with these roles for curl and scripts. It is valid for minutes and has no account.

    The command needs access to the signing keys. Its tokens give no access to personal data, which requires the session
    of a sign-in.
    """
    settings, practices = PatientsSettings(), tuple(practice or ())
    problem = find_inconsistency(tuple(role), practices)
    if settings.patients_identity != "local":
        problem = "Tokens come from another issuer, because MILLRACE_PATIENTS_IDENTITY is not `local`."
    if problem is not None:
        typer.echo(problem, err=True)
        raise typer.Exit(BAD_INPUT)
    with report_errors():
        typer.echo(asyncio.run(_token(settings, tuple(role), practices)))


async def _token(settings: PatientsSettings, roles: tuple[Role, ...], practices: tuple[UUID, ...]) -> str:
    clock, ids = settings.clock(), Uuid7()
    async with open_core(settings) as core:
        issuer = create_issuer(settings, await open_key_ring(settings, core, clock), clock, ids)
        now = utc_now(clock)
        return issuer.issue(
            ids(), roles=roles, practices=practices, session=None, authenticated_at=now, has_second_factor=True
        )
