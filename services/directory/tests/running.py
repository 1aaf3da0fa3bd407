"""The directory over HTTP: the real application with its lifespan and an in-memory feed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from millrace_contracts.envelope import Envelope
from millrace_directory.main import create
from millrace_directory.settings import DirectorySettings
from millrace_feeds.clock import SystemClock
from millrace_feeds.memory import MemoryTransport
from millrace_platform.authentication import Role
from millrace_platform.testing import MemoryFeeds, access_token, run_app
from millrace_reference.npi import npi_check_digit

FAMILY_MEDICINE = "207Q00000X"
DERMATOLOGY = "207N00000X"
CHICAGO: dict[str, Any] = {
    "line1": "1200 N Lake Shore Dr",
    "line2": None,
    "city": "Chicago",
    "state": "IL",
    "zip": "60610",
}
OAKLAND: dict[str, Any] = {"line1": "411 30th St", "line2": "Suite 2", "city": "Oakland", "state": "CA", "zip": "94609"}


def npi(number: int) -> str:
    """Return a valid NPI for each number; a lower number has a lower NPI."""
    first9 = f"1{number:08d}"
    return f"{first9}{npi_check_digit(first9)}"


@dataclass
class Directory:
    """A client of the directory service with an administrator's token, and the published events."""

    settings: DirectorySettings
    http: httpx.AsyncClient
    feeds: MemoryFeeds
    database: asyncpg.Connection

    def token(self, *roles: Role, practices: Sequence[str] = ()) -> dict[str, str]:
        """Return the headers of a caller with these roles."""
        token = access_token(self.settings, SystemClock(), *roles, practices=practices)
        return {"Authorization": f"Bearer {token}"}

    async def create(self, collection: str, **body: Any) -> dict[str, Any]:
        """Create a resource; return its body."""
        response = await self.http.post(f"/v1/directory/{collection}", json=body)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created

    async def put(self, path: str, body: dict[str, Any], version: int) -> httpx.Response:
        return await self.http.put(f"/v1/directory/{path}", json=body, headers={"If-Match": f'"{version}"'})

    async def delete(self, path: str, version: int) -> httpx.Response:
        return await self.http.delete(f"/v1/directory/{path}", headers={"If-Match": f'"{version}"'})

    async def get(self, path: str) -> dict[str, Any]:
        """Read a resource; return its body."""
        response = await self.http.get(f"/v1/directory/{path}")
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    async def create_provider_location(
        self, number: int = 1, *, practice: str | None = "Lakeside Family Medicine", location_id: str | None = None
    ) -> dict[str, Any]:
        """Create a provider at this location (None: at a new one of a new practice); return the provider-location."""
        if location_id is None:
            owner = await self.create("practices", name=practice) if practice else {"id": None}
            location_id = (await self.create("locations", address=CHICAGO, practice_id=owner["id"]))["id"]
        provider = await self.create_provider(number)
        return await self.create(
            "provider-locations", npi=provider["npi"], location_id=location_id, taxonomy=FAMILY_MEDICINE
        )

    async def create_provider(self, number: int = 1) -> dict[str, Any]:
        return await self.create(
            "providers", npi=npi(number), last_name="Ruiz", first_name="Maria", taxonomy=FAMILY_MEDICINE
        )

    async def published(self) -> list[Envelope]:
        """Wait until the outbox is empty; return all events, which are in order for each key."""
        while (await self.http.get("/internal/directory/status")).json()["outbox"]["backlog"]:
            pass
        return self.feeds.envelopes()

    async def published_of(self, subject: str) -> list[Envelope]:
        return [envelope for envelope in await self.published() if envelope.subject == subject]


@asynccontextmanager
async def running_directory(
    database_url: str, *, relaying: bool = True, database_timeout: float = 10.0
) -> AsyncIterator[Directory]:
    """Run an instance of the service. Without `relaying` its stream is missing, and rows stay in the outbox."""
    feeds = MemoryFeeds() if relaying else MemoryFeeds(MemoryTransport())
    settings = DirectorySettings(directory_database_url=database_url, database_timeout=database_timeout)
    connection = await asyncpg.connect(database_url)
    async with run_app(create(settings, feeds.infrastructure())) as http:
        directory = Directory(settings, http, feeds, connection)
        http.headers.update(directory.token(Role.ADMIN))
        yield directory
    await connection.close()


def fields(problem: httpx.Response) -> Sequence[str]:
    """Return the fields that a problem lists; each has a detail and a remedy."""
    errors = problem.json()["errors"]
    assert all(error["detail"] and error["remedy"] for error in errors)
    return [error["field"] for error in errors]
