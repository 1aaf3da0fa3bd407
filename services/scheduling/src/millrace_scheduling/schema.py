"""All tables in one metadata, for the tests of migrations."""

# ruff: noqa: F401 # each import adds its tables to the metadata
import millrace_scheduling.account.repository
import millrace_scheduling.appointment.tables
import millrace_scheduling.calendar.tables
import millrace_scheduling.calendar_feed.repository
import millrace_scheduling.dirty_marks
import millrace_scheduling.openings.tables
import millrace_scheduling.patient.repository
import millrace_scheduling.provider.repository
import millrace_scheduling.reservation.tables
import millrace_scheduling.waitlist.tables
from millrace_scheduling.tables import metadata

__all__ = ["metadata"]
