"""All tables under one metadata, for migrations and their tests."""

from millrace_patients.account.tables import account
from millrace_patients.audit.tables import audit_entry, audit_head
from millrace_patients.challenge.tables import challenge
from millrace_patients.crypto.tables import root_key
from millrace_patients.mail.tables import outbound_mail
from millrace_patients.patient.tables import patient
from millrace_patients.person.tables import person
from millrace_patients.record.tables import record
from millrace_patients.session.tables import refresh_token, session_table
from millrace_patients.sharing.tables import share
from millrace_patients.signing.tables import signing_key
from millrace_patients.tables import metadata
from millrace_patients.throttle.tables import throttle

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
