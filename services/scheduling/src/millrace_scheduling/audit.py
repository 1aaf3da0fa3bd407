"""The service's audit trail for `millrace audit`."""

from contextlib import AbstractAsyncContextManager

from millrace_platform.audit.trail import Trail, open_service_trail
from millrace_scheduling.bootstrap import APPLICATION
from millrace_scheduling.settings import SchedulingSettings


def open_trail() -> AbstractAsyncContextManager[Trail]:
    """Open the trail; entering it raises `TrailUnavailableError` without its key."""
    settings = SchedulingSettings()
    return open_service_trail(settings, settings.scheduling_database_url, APPLICATION)
