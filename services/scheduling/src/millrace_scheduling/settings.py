"""Settings of scheduling, in addition to the platform's. Environment variables begin with `MILLRACE_SCHEDULING_`."""

from typing import Annotated, TypeAlias

from pydantic import Field

from millrace_platform.audit.key import AuditSettings
from millrace_platform.settings import CallerKeys, Seconds

SOURCE = "/services/scheduling"
"""The `source` of this service's events."""
Limit: TypeAlias = Annotated[int, Field(ge=1)]


class SchedulingSettings(AuditSettings):
    """Settings of the scheduling service. Durations are in seconds."""

    patients_url: str = "http://127.0.0.1:8005"
    """Base URL of the service `patients`, which is asked before a booking is refused."""
    scheduling_patients_keys: CallerKeys = Field(min_length=1)
    """Keys of requests to `patients`."""

    scheduling_database_url: str = Field("postgresql://127.0.0.1:5432/scheduling", repr=False)
    scheduling_leases_table: str = "millrace-scheduling-leases"
    operator_scheduling_keys: CallerKeys = ()
    """Keys of `millrace` commands for requests to this service; only platforms on one machine have them."""

    scheduling_openings_interval: Seconds = 0.1
    """Time between two runs that publish changed openings."""
    scheduling_aging_interval: Seconds = 900.0
    """Time between two runs that withdraw openings within the minimum notice or in the past."""
    scheduling_extension_interval: Seconds = 3600.0
    """Time between two runs that extend the slots of calendars to their horizon."""
    scheduling_heartbeat: Seconds = 15.0
    """Silence after which a stream of openings sends a comment, so that proxies don't close it."""

    scheduling_lapse_interval: Seconds = 1.0
    """Time between two runs that expire holds."""
    scheduling_waitlist_interval: Seconds = 1.0
    """Time between two runs that make offers to the waitlist."""
    scheduling_visits_per_provider: Limit = 3
    """Limit of an account's upcoming visits with one provider; a calendar can have another one."""
    scheduling_visits: Limit = 10
    """Limit of an account's upcoming visits in all, and of what a calendar can allow."""
    scheduling_first_day_visits_per_provider: Limit = 1
    """As `scheduling_visits_per_provider`, in the first 24 hours of an account."""
    scheduling_first_day_visits: Limit = 3
    """As `scheduling_visits`, in the first 24 hours of an account."""
