"""Dependencies of endpoints, and the problems they describe in the OpenAPI document."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_feeds.consumer import Consumer
from millrace_feeds.relay import Relay
from millrace_patients.account.registration import Registration
from millrace_patients.account.roles import RoleService
from millrace_patients.account.sign_in import SignInService
from millrace_patients.email_queue.service import EmailQueue
from millrace_patients.insurance_card.service import InsuranceCardService
from millrace_patients.patient.address import AddressService
from millrace_patients.patient.contact import ContactService
from millrace_patients.patient.export import Exporter
from millrace_patients.patient.service import PatientService
from millrace_patients.record.service import RecordService
from millrace_patients.second_factor.service import SecondFactorService
from millrace_patients.sharing.service import ShareService
from millrace_patients.signing.tokens import TokenIssuer
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.client_address import read_client_address
from millrace_platform.openapi import PROBLEMS, described_problems


@dataclass(frozen=True, slots=True)
class Identity:
    """Services of accounts and tokens; absent if another issuer manages the accounts."""

    registration: Registration
    sign_in: SignInService
    roles: RoleService
    second_factor: SecondFactorService
    issuer: TokenIssuer


@dataclass(frozen=True, slots=True)
class Patients:
    """Services of patients, and what their internal routes use."""

    patients: PatientService
    exporter: Exporter
    contacts: ContactService
    addresses: AddressService
    dependants: RecordService
    insurance_cards: InsuranceCardService
    sharing: ShareService
    emails: EmailQueue
    units: UnitsOfWork
    relay: Relay
    consumer: Consumer


def _patients(request: Request) -> Patients:
    patients: Patients = request.app.state.patients
    return patients


def _identity(request: Request) -> Identity:
    identity: Identity = request.app.state.identity
    return identity


def _source(request: Request) -> str:
    return read_client_address(request.scope, request.app.state.settings.proxy_hops)


InPatients: TypeAlias = Annotated[Patients, Depends(_patients)]
InIdentity: TypeAlias = Annotated[Identity, Depends(_identity)]
InSource: TypeAlias = Annotated[str, Depends(_source)]
"""Endpoint parameter that resolves to the source of the request: an IP address or a network, as text."""

problems = partial(
    described_problems,
    {
        **PROBLEMS,
        401: "No valid access token, or wrong credentials.",
        429: "Too many attempts; `Retry-After` gives the seconds to wait.",
    },
)

READ = problems(401, 404, 422)
CREATE = problems(401, 404, 409, 415, 422, 503)
CHANGE = problems(401, 404, 412, 415, 422, 428, 503)
