"""What is asked of `patients`: addresses at the moment of sending, and the mails of accounts."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
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


class _Found(Contact, frozen=True, kw_only=True):
    patient_id: str


class _Contacts(msgspec.Struct, frozen=True):
    items: tuple[_Found, ...]


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


@dataclass(slots=True)
class _Question:
    """For whose contacts is asked, and what came of it: `found`, or the reason why not."""

    patient_ids: set[str] = field(default_factory=set)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    found: Mapping[str, Contact] | None = None
    reason: str = "given up"


class PatientsClient:
    """Both over HTTP. Contacts asked for in one turn of the loop, as the letters of a round do, are one question."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._question: _Question | None = None

    async def contact(self, patient_id: str) -> Contact | None:
        if not _is_uuid(patient_id):
            return None
        if self._question is not None:
            question = self._question
            question.patient_ids.add(patient_id)
            await question.answered.wait()
        else:
            question = self._question = _Question({patient_id})
            await self._ask(question)
        if question.found is None:
            raise PatientsAwayError(question.reason)
        return question.found.get(patient_id)

    async def _ask(self, question: _Question) -> None:
        """Whoever else asks in this turn is in the question; whatever becomes of it, nobody is left waiting."""
        try:
            await asyncio.sleep(0)
            self._question = None
            wanted = {"patient_ids": sorted(question.patient_ids)}
            headers = {"Purpose-Of-Use": PURPOSE}
            answer = await self._request("POST", "/internal/patients/contacts", json=wanted, headers=headers)
            question.found = {each.patient_id: each for each in _decoded(answer, _Contacts).items}
        except PatientsAwayError as error:
            question.reason = str(error)
        finally:
            if self._question is question:
                self._question = None
            question.answered.set()

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


def _is_uuid(text: str) -> bool:
    """What isn't one is no patient's id, and would have the whole question refused."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def open_patients(base_url: str) -> AsyncIterator[PatientsClient]:
    async with httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT, limits=CONNECTIONS) as client:
        yield PatientsClient(client)
