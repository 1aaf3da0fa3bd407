"""Provider pages from the truth."""

from dataclasses import dataclass
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from millrace_contracts.entities import Provider
from millrace_platform.errors import FieldError, NotFound, Unavailable, Unprocessable
from millrace_readmodel.cards import Collection
from millrace_reference.npi import is_valid_npi


class Source(Protocol):
    """The truth, as far as it is read here; `truth.Truth` is one."""

    async def collection(self, npi: str) -> Collection: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A provider that is in the directory, and all items of the provider's collection."""

    provider: Provider
    collection: Collection

    @property
    def version(self) -> int:
        """Rises with every change of any item."""
        return self.collection.versions


class Providers:
    """Reads one provider at a time. Raises `NotFound`, `Unprocessable` for what is no NPI, `Unavailable`."""

    def __init__(self, truth: Source) -> None:
        self._truth = truth

    async def get(self, npi: str) -> Page:
        """The provider with this NPI."""
        if not is_valid_npi(npi):
            remedy = "Give the 10 digits of a National Provider Identifier; the last one is a check digit."
            raise Unprocessable(errors=[FieldError(field="npi", detail="Not an NPI.", remedy=remedy)])
        try:
            collection = await self._truth.collection(npi)
        except (BotoCoreError, ClientError, OSError) as error:
            raise Unavailable("The provider can't be read now.") from error
        if collection.provider is None:
            raise NotFound("There is no such provider.")
        return Page(collection.provider, collection)
