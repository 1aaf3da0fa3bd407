"""The patients service as an ASGI application."""

from functools import partial

from fastapi import FastAPI

from millrace_patients import bootstrap, internal
from millrace_patients.account import endpoints as accounts
from millrace_patients.bootstrap import OpenDirectory
from millrace_patients.dependant import endpoints as dependants
from millrace_patients.directory.client import open_directory
from millrace_patients.erasure.ledger import OpenLedger, open_ledger
from millrace_patients.insurance_card import endpoints as insurance_cards
from millrace_patients.patient import endpoints as patients
from millrace_patients.second_factor import endpoints as second_factors
from millrace_patients.settings import PatientsSettings
from millrace_patients.sharing import endpoints as sharing
from millrace_patients.signing import endpoints as signing
from millrace_platform.application import create_app
from millrace_platform.service import Infrastructure

PATIENTS = (patients, dependants, insurance_cards, sharing, internal)
IDENTITY = (accounts, second_factors, signing)
"""Routes that are omitted if another issuer manages the accounts."""


def create(
    settings: PatientsSettings | None = None,
    infrastructure: Infrastructure | None = None,
    open_directory: OpenDirectory = open_directory,
    open_ledger: OpenLedger = open_ledger,
) -> FastAPI:
    """Create the application; nothing is opened before its lifespan begins. Tests replace all but the settings."""
    settings = settings or PatientsSettings()
    infrastructure = infrastructure or Infrastructure.of(settings)
    modules = PATIENTS + (IDENTITY if settings.patients_identity == "local" else ())
    return create_app(
        settings,
        name="patients",
        title="Millrace patients",
        routers=[module.router for module in modules],
        start=partial(
            bootstrap.start,
            settings,
            infrastructure,
            open_directory=open_directory,
            open_ledger=open_ledger,
        ),
        clock=infrastructure.clock,
    )
