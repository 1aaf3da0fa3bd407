"""The command `millrace accounts`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import typer

from millrace_patients.account import repository
from millrace_patients.account.model import Account, normalize_email
from millrace_patients.account.publication import revoke_tokens
from millrace_patients.account.roles import RoleService
from millrace_patients.commands import report_errors
from millrace_patients.composition import Core, open_core
from millrace_patients.email_queue.service import EmailKind, EmailQueue
from millrace_patients.person.vault import Vault
from millrace_patients.second_factor.model import DRIFT_STEPS, STEP_SECONDS, generate_code, next_valid_step
from millrace_patients.second_factor.repository import SecondFactors
from millrace_patients.second_factor.service import CodeVerifier, create_entry
from millrace_patients.session.service import Sessions
from millrace_patients.settings import PatientsSettings
from millrace_patients.wire import SOURCE
from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.repository import AuditTrail
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.authentication import Role
from millrace_platform.database import ReadSession
from millrace_platform.errors import NotFound
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
    address = _parse_email(email)
    with report_errors():
        account = asyncio.run(_grant(address, tuple(sorted(set(role))), tuple(sorted(set(practice or [])))))
    typer.echo(f"{account.id}: {', '.join(account.roles)}")


async def _grant(email: str, roles: tuple[Role, ...], practices: tuple[UUID, ...]) -> Account:
    async with _open(PatientsSettings()) as (core, units):
        async with core.database.read() as session:
            found = await _find_account(session, core, email)
        return await RoleService(units, None).set(None, found.id, roles, practices)


@app.command()
def code(email: Annotated[str, typer.Argument(help="Email address of a demo account.")]) -> None:
    """Print the current code of a demo account's second factor; set one up first if it has none.

    Works on a development platform only, such as that of `make up`.
    """
    if not PatientsSettings().patients_demo_factors:
        typer.echo(
            "Codes are printed on a development platform only. Set MILLRACE_PATIENTS_DEMO_FACTORS there.", err=True
        )
        raise typer.Exit(1)
    address = _parse_email(email)
    with report_errors():
        typer.echo(asyncio.run(_code(address)))


async def _code(email: str) -> str:
    settings = PatientsSettings()
    clock = settings.clock()
    async with _open(settings) as (core, units):
        factors, vault = SecondFactors(core.keys.second_factor), Vault(core.kms, clock)
        async with units.begin() as work:
            found = await _find_account(work.session, core, email)
            key = await vault.find_for_update(work.session, found.id)
            if key is None:
                raise _unknown_account()
            factor = await factors.find_for_update(work.session, key)
            if factor is None or not factor.is_confirmed:
                factor = await factors.create(work.session, key)
                await factors.confirm(work.session, found.id, work.now)
                work.audit(create_entry(found.id, Action.CREATE, None))
    step = next_valid_step(clock.time(), factor.last_used_step)
    # The code of the next step is accepted already, and no code twice.
    await asyncio.sleep(max(0.0, (step - DRIFT_STEPS) * STEP_SECONDS - clock.time()))
    return generate_code(factor.secret, step)


@app.command("remove-factor")
def remove_factor(
    email: Annotated[
        str, typer.Option(prompt=True, help="Email address of the account; prompted for if omitted.")
    ] = "",
) -> None:
    """Remove the second factor of an account whose owner has lost it and the recovery codes, and end all sessions."""
    address = _parse_email(email)
    with report_errors():
        typer.echo(f"{asyncio.run(_remove_factor(address))}: no second factor")


async def _remove_factor(email: str) -> UUID:
    settings = PatientsSettings()
    clock = settings.clock()
    async with _open(settings) as (core, units):
        vault, emails = Vault(core.kms, clock), EmailQueue(core.keys.mail, Uuid7())
        verifier = CodeVerifier(SecondFactors(core.keys.second_factor), vault, emails, clock)
        async with units.begin() as work:
            found = await _find_account(work.session, core, email)
            key = await vault.find_for_update(work.session, found.id)
            if key is None:
                raise _unknown_account()
            await verifier.factors.remove(work.session, found.id)
            await Sessions(Uuid7()).end_all(work.session, found.id, work.now)
            await revoke_tokens(work, found.id)
            await verifier.send_notice(work, key, EmailKind.SECOND_FACTOR_REMOVED)
            work.audit(create_entry(found.id, Action.DELETE, None))
    return found.id


@app.command("sign-out")
def sign_out(
    email: Annotated[
        str, typer.Option(prompt=True, help="Email address of the account; prompted for if omitted.")
    ] = "",
) -> None:
    """End all sessions of an account, such as one whose device was stolen; all services refuse its access tokens."""
    address = _parse_email(email)
    with report_errors():
        typer.echo(f"{asyncio.run(_sign_out(address))}: no sessions")


async def _sign_out(email: str) -> UUID:
    async with _open(PatientsSettings()) as (core, units), units.begin() as work:
        found = await _find_account(work.session, core, email)
        await Sessions(Uuid7()).end_all(work.session, found.id, work.now)
        await revoke_tokens(work, found.id)
        work.audit(
            AuditEntry(
                person_id=found.id, action=Action.DELETE, target="account/sessions", purpose=Purpose.ADMINISTRATION
            )
        )
    return found.id


@asynccontextmanager
async def _open(settings: PatientsSettings) -> AsyncIterator[tuple[Core, UnitsOfWork]]:
    async with open_core(settings) as core:
        envelopes = Envelopes(SOURCE, settings.clock(), Uuid7())
        yield core, UnitsOfWork(core.database, envelopes, AuditTrail(core.keys.audit))


async def _find_account(session: ReadSession, core: Core, email: str) -> Account:
    found = await repository.find_by_email_index(session, core.keys.index_email(email))
    if found is None:
        raise _unknown_account()
    return found


def _parse_email(text: str) -> str:
    try:
        return normalize_email(text)
    except ValueError:
        raise typer.BadParameter("This is not an email address. Give one such as ada@example.org.") from None


def _unknown_account() -> NotFound:
    return NotFound("There is no account with this email address.")
