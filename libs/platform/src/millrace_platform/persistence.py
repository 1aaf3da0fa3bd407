"""Open a service's database and the relay of its outbox."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from millrace_feeds.publisher import Publisher
from millrace_feeds.relay import Relay
from millrace_platform.database import Database, open_database
from millrace_platform.service import Infrastructure
from millrace_platform.settings import PlatformSettings


def open_service_database(settings: PlatformSettings, url: str, *, name: str) -> AbstractAsyncContextManager[Database]:
    """Open the database at `url` with the settings' pool size and timeout; close it at the end of the block."""
    return open_database(url, name=name, pool_size=settings.database_pool_size, seconds=settings.database_timeout)


@asynccontextmanager
async def open_relay(settings: PlatformSettings, infrastructure: Infrastructure, url: str) -> AsyncIterator[Relay]:
    """Yield a relay; its `run` publishes the outbox of the database at `url` to the stream of changes."""
    async with infrastructure.open_transport(settings) as transport:
        publisher = Publisher(transport=transport, stream=settings.changes_stream)
        yield Relay(database_url=url, publisher=publisher, clock=infrastructure.clock)
