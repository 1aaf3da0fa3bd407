"""What is asked of `patients`: addresses at the moment of sending, and the mails of accounts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec

PURPOSE = "HOPERAT"
"""Healthcare operations (HL7 PurposeOfUse): why an address is asked for."""
TIMEOUT = httpx.Timeout(5.0)
WAIT = 8
"""Seconds that `patients` waits for mail before it says that there is none."""
WAIT_TIMEOUT = httpx.Timeout(5.0, read=WAIT + 5.0)
CONNECTIONS = httpx.Limits(max_connections=20)

T = TypeVar("T")


class PatientsAwayError(Exception):
    """`patients` can't answer now."""


class Contact(msgspec.Struct, frozen=True):
    """Where mail goes. Kept nowhere; `repr` shows nothing."""

    email: str
    given_name: str | None = None

    def __repr__(self) -> str:
        return "Contact(…)"


@dataclass(frozen=True, slots=True)
class AccountMail:
    """A mail that `patients` keeps until it is sent."""

    id: UUID
    kind: str
    to: str = field(repr=False)
    token: str = field(repr=False)


class _Page(msgspec.Struct, frozen=True):
    items: tuple[AccountMail, ...]


class Contacts(Protocol):
    async def contact(self, patient_id: str) -> Contact | None:
        """None for who was erased, or has no address. Raises `PatientsAwayError`."""
        ...


class AccountOutbox(Protocol):
    async def waiting(self) -> Sequence[AccountMail]:
        """The oldest mails that wait; where there are none, it waits for some a while. Raises `PatientsAwayError`."""
        ...

    async def remove(self, identifier: UUID) -> None:
        """It needs no sending any more. Raises `PatientsAwayError`."""
        ...


class PatientsClient:
    """Both over HTTP."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def contact(self, patient_id: str) -> Contact | None:
        path = f"/internal/patients/{quote(patient_id, safe='')}/contact"
        answer = await self._request("GET", path, headers={"Purpose-Of-Use": PURPOSE})
        # An id that isn't one of theirs is refused as unreadable: there is nobody behind it either.
        if answer.status_code in (404, 422):
            return None
        return _decoded(answer, Contact)

    async def waiting(self) -> Sequence[AccountMail]:
        answer = await self._request("GET", f"/internal/patients/outbox?wait={WAIT}", timeout=WAIT_TIMEOUT)
        return _decoded(answer, _Page).items

    async def remove(self, identifier: UUID) -> None:
        answer = await self._request("DELETE", f"/internal/patients/outbox/{identifier}")
        if not answer.is_success:
            raise PatientsAwayError(str(answer.status_code))

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._client.request(method, path, **options)
        except (httpx.HTTPError, OSError) as error:
            raise PatientsAwayError(type(error).__name__) from None


def _decoded(answer: httpx.Response, kind: type[T]) -> T:
    if not answer.is_success:
        raise PatientsAwayError(str(answer.status_code))
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError:
        # Its text may quote the answer.
        raise PatientsAwayError("unreadable") from None


@asynccontextmanager
async def open_patients(base_url: str) -> AsyncIterator[PatientsClient]:
    async with httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT, limits=CONNECTIONS) as client:
        yield PatientsClient(client)
