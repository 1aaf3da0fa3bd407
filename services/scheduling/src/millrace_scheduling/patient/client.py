"""Client of the service `patients`: what a patient may book."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol
from uuid import UUID

import httpx
import msgspec

from millrace_platform.context import service_agent
from millrace_platform.errors import Unavailable
from millrace_platform.service_tokens import CallPurpose, ServiceTokenSigner
from millrace_scheduling.patient.model import BookingPermissions

TIMEOUT = httpx.Timeout(2.0)
"""Of each step: connect, send, receive."""
LOOKUP_SECONDS = 4.0
"""Of a whole lookup, also when the response arrives byte by byte."""
CONNECTIONS = httpx.Limits(max_connections=20)


class Patients(Protocol):
    """Protocol of the lookup; tests replace it."""

    async def find_permissions(self, patient_id: UUID) -> BookingPermissions:
        """Return what the patient may book. Problems: 503 if `patients` doesn't respond."""
        ...


class _Permissions(msgspec.Struct, frozen=True):
    may_book: bool
    missing: tuple[str, ...]
    dependant_ids: frozenset[UUID]
    insurance_card_ids: frozenset[UUID]
    registered_at: datetime | None = None


class PatientsClient:
    """Implements `Patients` over HTTP."""

    def __init__(self, client: httpx.AsyncClient, tokens: ServiceTokenSigner) -> None:
        self._client = client
        self._tokens = tokens

    async def find_permissions(self, patient_id: UUID) -> BookingPermissions:
        path, headers = (
            f"/internal/patients/{patient_id}/booking-permissions",
            self._tokens.headers(CallPurpose.BOOKING_PERMISSIONS),
        )
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                response = await self._client.get(path, headers=headers)
            response.raise_for_status()
            found = msgspec.json.decode(response.content, type=_Permissions)
        except (httpx.HTTPError, OSError, msgspec.DecodeError):
            raise Unavailable("Your profile can't be checked for the moment. Send the request again.") from None
        return BookingPermissions(
            found.may_book, found.missing, found.dependant_ids, found.insurance_card_ids, found.registered_at
        )


@asynccontextmanager
async def open_patients(url: str, tls: ssl.SSLContext, tokens: ServiceTokenSigner) -> AsyncIterator[PatientsClient]:
    """Open a client of the service at the base URL, verified by `tls`; close its connections after the block."""
    agent = service_agent("scheduling")
    async with httpx.AsyncClient(
        base_url=url, verify=tls, timeout=TIMEOUT, limits=CONNECTIONS, headers=agent
    ) as client:
        yield PatientsClient(client, tokens)
