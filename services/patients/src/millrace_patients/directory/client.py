"""Client of the service `directory`: looks a practice or an insurance plan up that the copy doesn't have."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import quote

import httpx

from millrace_patients.directory.model import EntryKind
from millrace_platform.context import service_agent
from millrace_platform.errors import Unavailable

TIMEOUT = httpx.Timeout(2.0)
"""Of each step: connect, send, receive."""
LOOKUP_SECONDS = 4.0
"""Of a whole lookup, also when the response arrives byte by byte."""
CONNECTIONS = httpx.Limits(max_connections=20)
_PATHS = {EntryKind.PRACTICE: "practices", EntryKind.INSURANCE_PLAN: "insurance-plans"}


class Directory(Protocol):
    """Protocol of the lookup; tests replace it."""

    async def exists(self, kind: EntryKind, identifier: str) -> bool:
        """Return whether the directory has the resource. Problems: 503 if it doesn't respond."""
        ...


class DirectoryClient:
    """Implements `Directory` over HTTP."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def exists(self, kind: EntryKind, identifier: str) -> bool:
        path = f"/v1/directory/{_PATHS[kind]}/{quote(identifier, safe='')}"
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                response = await self._client.get(path)
        except (httpx.HTTPError, OSError):
            raise _unavailable(kind) from None
        # 422: an id that no resource can have.
        if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.UNPROCESSABLE_ENTITY):
            return False
        if not response.is_success:
            raise _unavailable(kind)
        return True


@asynccontextmanager
async def open_directory(url: str, tls: ssl.SSLContext) -> AsyncIterator[DirectoryClient]:
    """Open a client of the service at the base URL, verified by `tls`; close its connections after the block."""
    agent = service_agent("patients")
    async with httpx.AsyncClient(
        base_url=url, verify=tls, timeout=TIMEOUT, limits=CONNECTIONS, headers=agent
    ) as client:
        yield DirectoryClient(client)


def _unavailable(kind: EntryKind) -> Unavailable:
    return Unavailable(f"The {kind.replace('-', ' ')} can't be checked for the moment. Send the request again.")
