"""The service's audit trail for `millrace audit`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from millrace_patients.bootstrap import APPLICATION
from millrace_patients.composition import open_core
from millrace_patients.crypto.kms_local import MasterKeyError
from millrace_patients.crypto.service_keys import NoRootKeyError
from millrace_patients.settings import PatientsSettings
from millrace_platform.audit.model import TrailUnavailableError
from millrace_platform.audit.trail import Trail, open_with_anchors


@asynccontextmanager
async def open_trail() -> AsyncIterator[Trail]:
    """Yield the trail; raise `TrailUnavailableError` without its key."""
    settings = PatientsSettings()
    async with AsyncExitStack() as stack:
        try:
            core = await stack.enter_async_context(open_core(settings))
        except (MasterKeyError, NoRootKeyError) as error:
            raise TrailUnavailableError(str(error)) from error
        yield await stack.enter_async_context(open_with_anchors(settings, APPLICATION, core.database, core.keys.audit))
