"""A service's trail as `millrace audit` opens it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from millrace_platform.audit.anchors import AnchorSettings, AnchorStore, open_anchors
from millrace_platform.database import Database
from millrace_platform.ids import Uuid7


@dataclass(frozen=True, slots=True)
class Trail:
    """The trail in a service's database, the key of its digests, and its anchors, None if there are none."""

    database: Database
    key: bytes = field(repr=False)
    anchors: AnchorStore | None


class TrailUnavailableError(Exception):
    """A trail can't be opened. The message says what to do."""


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
