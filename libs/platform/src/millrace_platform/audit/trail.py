"""A service's trail as `millrace audit` opens it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from millrace_platform.audit.anchors import AnchorSettings, AnchorStore, open_anchors
from millrace_platform.audit.key import AuditSettings, load_audit_key
from millrace_platform.database import Database
from millrace_platform.ids import Uuid7
from millrace_platform.persistence import open_service_database


@dataclass(frozen=True, slots=True)
class Trail:
    """The trail in a service's database, the key of its digests, and its anchors, None if there are none."""

    database: Database
    key: bytes = field(repr=False)
    anchors: AnchorStore | None


OpenTrail: TypeAlias = Callable[[], AbstractAsyncContextManager[Trail]]
"""Type of the entry points `millrace.audit_trails`, which are named after their services.

Raises `TrailUnavailableError`, and `Unavailable` if the database can't be reached.
"""


@asynccontextmanager
async def open_with_anchors(
    settings: AnchorSettings, service: str, database: Database, key: bytes
) -> AsyncIterator[Trail]:
    """Yield the service's trail with the anchors that the settings name."""
    async with open_anchors(settings, service, Uuid7()) as anchors:
        yield Trail(database, key, anchors)


@asynccontextmanager
async def open_service_trail(settings: AuditSettings, database_url: str, service: str) -> AsyncIterator[Trail]:
    """Yield the trail in a service's database, with a key of its own; raise `TrailUnavailableError` without the key."""
    key = load_audit_key(settings, service)
    async with (
        open_service_database(settings, database_url, name=service) as database,
        open_with_anchors(settings, service, database, key) as trail,
    ):
        yield trail
