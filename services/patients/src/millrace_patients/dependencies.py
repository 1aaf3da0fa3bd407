"""What endpoints are given."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_feeds.relay import Relay
from millrace_patients.account.registration import Registration
from millrace_patients.account.roles import Roles
from millrace_patients.account.signing_in import SigningIn
from millrace_patients.insurance_card.service import InsuranceCards
from millrace_patients.mail.stored import StoredMail
from millrace_patients.patient.contact import Contacts
from millrace_patients.patient.export import Exporter
from millrace_patients.patient.service import PatientService
from millrace_patients.record.service import Records
from millrace_patients.sharing.service import Sharing
from millrace_patients.signing.tokens import Issuer
from millrace_patients.unit_of_work import Units
from millrace_platform.source import source_of


@dataclass(frozen=True, slots=True)
class Identity:
    """Accounts and tokens, where this service keeps them."""

    registration: Registration
    signing_in: SigningIn
    roles: Roles
    issuer: Issuer


@dataclass(frozen=True, slots=True)
class Patients:
    """The service, wired."""

    patients: PatientService
    exporter: Exporter
    contacts: Contacts
    dependants: Records
    insurance_cards: InsuranceCards
    sharing: Sharing
    mail: StoredMail
    units: Units
    relay: Relay


def _patients(request: Request) -> Patients:
    patients: Patients = request.app.state.patients
    return patients


def _identity(request: Request) -> Identity:
    identity: Identity = request.app.state.identity
    return identity


def _source(request: Request) -> str:
    peer = None if request.client is None else request.client.host
    hops: int = request.app.state.settings.patients_proxy_hops
    return source_of(peer, request.headers.getlist("x-forwarded-for"), hops)


InPatients: TypeAlias = Annotated[Patients, Depends(_patients)]
InIdentity: TypeAlias = Annotated[Identity, Depends(_identity)]
InSource: TypeAlias = Annotated[str, Depends(_source)]
"""Whence the request comes: an address or a network, as text."""
