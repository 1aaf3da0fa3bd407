"""Events of patients and accounts on the change feed: ids and states only."""

from typing import Literal

from millrace_contracts.entities import Account, Patient
from millrace_contracts.registry import ACCOUNT, PATIENT
from millrace_feeds.clock import rfc3339
from millrace_patients.account.model import PublicAccount
from millrace_patients.patient.model import PublicPatient
from millrace_platform.unit_of_work import Event

SOURCE = "/services/patients"


def patient_event(patient: PublicPatient) -> Event:
    """Return the event for a version of a patient."""
    action: Literal["created", "updated"] = "created" if patient.version == 1 else "updated"
    began = None if patient.state == "erased" else patient.registered_at
    entity = Patient(
        id=str(patient.id),
        state=patient.state,
        may_book=patient.may_book,
        dependant_ids=tuple(map(str, patient.dependant_ids)),
        insurance_card_ids=tuple(map(str, patient.insurance_card_ids)),
        registered_at=None if began is None else rfc3339(began.timestamp()),
    )
    return Event.of_entity(PATIENT, entity, action=action, version=patient.version)


def account_event(account: PublicAccount) -> Event:
    """Return the event for a version of an account."""
    action: Literal["created", "updated"] = "created" if account.version == 1 else "updated"
    valid_from = account.tokens_valid_from
    entity = Account(
        id=str(account.id),
        state="erased" if account.is_erased else "active",
        roles=tuple(role.value for role in account.roles),
        practice_ids=tuple(map(str, account.practice_ids)),
        tokens_valid_from=None if valid_from is None else rfc3339(valid_from.timestamp()),
    )
    return Event.of_entity(ACCOUNT, entity, action=action, version=account.version)
