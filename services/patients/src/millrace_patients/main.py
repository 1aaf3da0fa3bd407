"""The patients service as an ASGI application."""

from fastapi import FastAPI

from millrace_feeds.assembly import open_transport
from millrace_feeds.clock import Clock, SystemClock
from millrace_patients import internal
from millrace_patients.account import endpoints as accounts
from millrace_patients.bootstrap import Transports, starter
from millrace_patients.dependant import endpoints as dependants
from millrace_patients.insurance_card import endpoints as insurance_cards
from millrace_patients.patient import endpoints as patients
from millrace_patients.settings import PatientsSettings
from millrace_patients.sharing import endpoints as sharing
from millrace_patients.signing import endpoints as signing
from millrace_platform.application import create_app
from millrace_platform.ids import Ids, Uuid7

PATIENTS = (patients, dependants, insurance_cards, sharing, internal)
IDENTITY = (accounts, signing)
"""Absent where another issuer keeps the accounts."""


def create(
    settings: PatientsSettings | None = None,
    *,
    transports: Transports = open_transport,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> FastAPI:
    """Nothing is opened before the lifespan begins. Tests pass a transport in memory, a clock and ids."""
    settings = settings or PatientsSettings()
    clock = clock or SystemClock()
    modules = PATIENTS + (IDENTITY if settings.patients_identity == "local" else ())
    return create_app(
        settings,
        name="patients",
        title="Millrace patients",
        routers=[module.router for module in modules],
        start=starter(settings, transports, clock, ids or Uuid7(clock)),
    )
