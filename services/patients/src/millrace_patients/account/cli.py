"""The command `millrace accounts`."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from millrace_patients.account import repository
from millrace_patients.account.model import Account, normalize_email
from millrace_patients.account.roles import RoleService
from millrace_patients.audit.repository import AuditTrail
from millrace_patients.commands import report_errors
from millrace_patients.composition import open_core
from millrace_patients.settings import PatientsSettings
from millrace_patients.unit_of_work import UnitsOfWork
from millrace_patients.wire import SOURCE
from millrace_platform.authentication import Role
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes

app = typer.Typer(no_args_is_help=True, help="Accounts.")


@app.callback()
def _group() -> None:
    """Accounts."""


@app.command()
def grant(
    role: Annotated[list[Role], typer.Option(help="Role to grant; repeat the option for several.")],
    practice: Annotated[list[UUID] | None, typer.Option(help="Id of a practice the staff member works for.")] = None,
    email: Annotated[
        str, typer.Option(prompt=True, help="Email address of the account; prompted for if omitted.")
    ] = "",
) -> None:
    """Replace an account's roles; use it to create the first administrator."""
    try:
        address = normalize_email(email)
    except ValueError:
        raise typer.BadParameter("This is not an email address. Give one such as ada@example.org.") from None
    with report_errors():
        account = asyncio.run(_grant(address, tuple(sorted(set(role))), tuple(sorted(set(practice or [])))))
    typer.echo(f"{account.id}: {', '.join(account.roles)}")


async def _grant(email: str, roles: tuple[Role, ...], practices: tuple[UUID, ...]) -> Account:
    settings = PatientsSettings()
    async with open_core(settings) as core:
        async with core.database.read() as session:
            found = await repository.find_by_email_index(session, core.keys.index_email(email))
        if found is None:
            typer.echo("There is no account with this email address.", err=True)
            raise typer.Exit(1)
        envelopes = Envelopes(SOURCE, settings.clock(), Uuid7())
        units = UnitsOfWork(core.database, envelopes, AuditTrail(core.keys.audit))
        return await RoleService(units, None).set(None, found.id, roles, practices)
