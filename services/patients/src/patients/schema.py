"""All tables under one metadata, for migrations and their tests."""

from patients.account.tables import account
from patients.audit.tables import audit_entry, audit_head
from patients.challenge.tables import challenge
from patients.crypto.tables import root_key
from patients.mail.tables import outbound_mail
from patients.patient.tables import patient
from patients.person.tables import person
from patients.record.tables import record
from patients.session.tables import refresh_token, session_table
from patients.sharing.tables import share
from patients.signing.tables import signing_key
from patients.tables import metadata
from patients.throttle.tables import throttle

__all__ = [
    "account",
    "audit_entry",
    "audit_head",
    "challenge",
    "metadata",
    "outbound_mail",
    "patient",
    "person",
    "record",
    "refresh_token",
    "root_key",
    "session_table",
    "share",
    "signing_key",
    "throttle",
]
