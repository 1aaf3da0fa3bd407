"""The command `millrace erasures`."""

import asyncio

import typer

from millrace_patients.challenge.service import Challenges
from millrace_patients.commands import report_errors
from millrace_patients.composition import open_core
from millrace_patients.email_queue.service import EmailQueue
from millrace_patients.erasure.ledger import open_ledger
from millrace_patients.erasure.reapplication import Reapplication
from millrace_patients.erasure.service import Eraser
from millrace_patients.person.vault import Vault
from millrace_patients.session.service import Sessions
from millrace_patients.settings import PatientsSettings
from millrace_patients.wire import SOURCE
from millrace_platform.audit.repository import AuditTrail
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes

app = typer.Typer(no_args_is_help=True, help="Erasures of persons.")


@app.callback()
def _group() -> None:
    """Erasures of persons."""


@app.command()
def apply() -> None:
    """Erase again all persons whom a restored backup has brought back, and end all sessions; idempotent."""
    with report_errors():
        erased, ended = asyncio.run(_apply())
    typer.echo(f"Erased {erased:,} persons again and ended {ended:,} sessions.")


async def _apply() -> tuple[int, int]:
    settings = PatientsSettings()
    clock, ids = settings.clock(), Uuid7()
    async with open_core(settings) as core, open_ledger(settings) as ledger:
        units = UnitsOfWork(core.database, Envelopes(SOURCE, clock, ids), AuditTrail(core.keys.audit))
        eraser = Eraser(
            Vault(core.kms, clock),
            Sessions(ids),
            Challenges(core.keys.mail),
            EmailQueue(core.keys.mail, ids),
        )
        return await Reapplication(units, eraser, ledger).run()
