"""Client of the service `patients`: fetches the contact for an email when it is sent, and queued account emails."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

import httpx
import msgspec

from millrace_platform.context import service_agent
from millrace_platform.service_tokens import CallPurpose, ServiceTokenSigner

PURPOSE = "HOPERAT"
"""Purpose of use that requests for contacts state: healthcare operations (HL7 PurposeOfUse)."""
TIMEOUT = httpx.Timeout(5.0)
WAIT = 8
"""Seconds that `patients` waits for an account email before it returns an empty list."""
WAIT_TIMEOUT = httpx.Timeout(5.0, read=WAIT + 5.0)
CONNECTIONS = httpx.Limits(max_connections=20)

T = TypeVar("T")


class PatientsUnavailableError(Exception):
    """`patients` can't be reached or returned an unexpected response."""


class Contact(msgspec.Struct, frozen=True):
    """Recipient of an email. Never stored; `repr` omits the address."""

    email: str

    def __repr__(self) -> str:
        return "Contact(…)"


@dataclass(frozen=True, slots=True)
class AccountEmail:
    """An email that `patients` queues until it is sent. `token` goes into its link; a notice of a change has none."""

    id: UUID
    kind: str
    to: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class _ContactItem(Contact, frozen=True, kw_only=True):
    patient_id: str


class _ContactList(msgspec.Struct, frozen=True):
    items: tuple[_ContactItem, ...]


class _AccountEmailList(msgspec.Struct, frozen=True):
    items: tuple[AccountEmail, ...]


class Contacts(Protocol):
    async def find_contact(self, patient_id: str) -> Contact | None:
        """Return the patient's contact; None if the patient was erased or has no email address.

        Raises `PatientsUnavailableError`.
        """
        ...


class AccountEmailQueue(Protocol):
    async def list_emails(self) -> Sequence[AccountEmail]:
        """Return the oldest queued emails; wait up to `WAIT` seconds for one. Raises `PatientsUnavailableError`."""
        ...

    async def delete(self, identifier: UUID) -> None:
        """Delete an email from the queue. Raises `PatientsUnavailableError`."""
        ...


@dataclass(slots=True)
class _Lookup:
    """A request for several contacts. Once `finished` is set, `contacts` has them, or is None and `reason` says why."""

    patient_ids: set[str] = field(default_factory=set)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    contacts: Mapping[str, Contact] | None = None
    reason: str = "cancelled"


class PatientsClient:
    """Implements `Contacts` and `AccountEmailQueue` over HTTP. Coalesces concurrent lookups of contacts."""

    def __init__(self, client: httpx.AsyncClient, tokens: ServiceTokenSigner) -> None:
        self._client = client
        self._tokens = tokens
        self._lookup: _Lookup | None = None

    async def find_contact(self, patient_id: str) -> Contact | None:
        if not _is_uuid(patient_id):
            return None
        if self._lookup is not None:
            lookup = self._lookup
            lookup.patient_ids.add(patient_id)
            await lookup.finished.wait()
        else:
            lookup = self._lookup = _Lookup({patient_id})
            await self._run_lookup(lookup)
        if lookup.contacts is None:
            raise PatientsUnavailableError(lookup.reason)
        return lookup.contacts.get(patient_id)

    async def _run_lookup(self, lookup: _Lookup) -> None:
        """Send one request for all ids added in this iteration of the event loop; always wake every waiter."""
        try:
            await asyncio.sleep(0)
            self._lookup = None
            body = {"patient_ids": sorted(lookup.patient_ids)}
            headers = {"Purpose-Of-Use": PURPOSE}
            response = await self._request(
                "POST", "/internal/patients/contacts", CallPurpose.CONTACTS, json=body, headers=headers
            )
            lookup.contacts = {each.patient_id: each for each in _decode(response, _ContactList).items}
        except PatientsUnavailableError as error:
            lookup.reason = str(error)
        finally:
            if self._lookup is lookup:
                self._lookup = None
            lookup.finished.set()

    async def list_emails(self) -> Sequence[AccountEmail]:
        response = await self._request(
            "GET", f"/internal/patients/outbox?wait={WAIT}", CallPurpose.ACCOUNT_EMAILS, timeout=WAIT_TIMEOUT
        )
        return _decode(response, _AccountEmailList).items

    async def delete(self, identifier: UUID) -> None:
        response = await self._request("DELETE", f"/internal/patients/outbox/{identifier}", CallPurpose.ACCOUNT_EMAILS)
        if not response.is_success:
            raise PatientsUnavailableError(str(response.status_code))

    async def _request(self, method: str, path: str, purpose: CallPurpose, **options: Any) -> httpx.Response:
        headers = {**options.pop("headers", {}), **self._tokens.headers(purpose)}
        try:
            return await self._client.request(method, path, headers=headers, **options)
        except (httpx.HTTPError, OSError) as error:
            raise PatientsUnavailableError(type(error).__name__) from None


def _decode(response: httpx.Response, type_: type[T]) -> T:
    if not response.is_success:
        raise PatientsUnavailableError(str(response.status_code))
    try:
        return msgspec.json.decode(response.content, type=type_)
    except msgspec.DecodeError:
        # The message of the error may quote the response.
        raise PatientsUnavailableError("unreadable") from None


def _is_uuid(text: str) -> bool:
    """Return whether the text is a UUID. One invalid id would make `patients` reject the whole request."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def open_patients(
    base_url: str, tls: ssl.SSLContext, tokens: ServiceTokenSigner
) -> AsyncIterator[PatientsClient]:
    """Open a client of `patients` at the given URL; `tls` verifies it."""
    agent = service_agent("notifications")
    async with httpx.AsyncClient(
        base_url=base_url, verify=tls, timeout=TIMEOUT, limits=CONNECTIONS, headers=agent
    ) as client:
        yield PatientsClient(client, tokens)
