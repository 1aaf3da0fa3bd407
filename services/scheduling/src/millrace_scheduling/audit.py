"""The service's audit trail for `millrace audit`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from millrace_platform.audit.key import load_audit_key
from millrace_platform.audit.trail import Trail, open_with_anchors
from millrace_platform.persistence import open_service_database
from millrace_scheduling.bootstrap import APPLICATION
from millrace_scheduling.settings import SchedulingSettings


@asynccontextmanager
async def open_trail() -> AsyncIterator[Trail]:
    """Yield the trail; raise `TrailUnavailableError` without its key."""
    settings = SchedulingSettings()
    key = load_audit_key(settings, APPLICATION)
    async with (
        open_service_database(settings, settings.scheduling_database_url, name=APPLICATION) as database,
        open_with_anchors(settings, APPLICATION, database, key) as trail,
    ):
        yield trail
