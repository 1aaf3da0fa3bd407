"""Provider pages from the truth."""

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from millrace_contracts.entities import Provider, ProviderLocation
from millrace_feeds.clock import Clock
from millrace_platform.errors import FieldError, NotFound, Unavailable, Unprocessable
from millrace_readmodel.cards import Collection
from millrace_readmodel.layout import row_id
from millrace_readmodel.openings_writer import fresh_entry
from millrace_readmodel.zones import day_of, local, zone_number
from millrace_reference.npi import is_valid_npi
from millrace_search.index.openings import TICK, UNKNOWN, rendered
from millrace_search.schemas import Openings

_DIGEST_BYTES: Final = 8


class Source(Protocol):
    """The truth, as far as it is read here; `truth.Truth` is one."""

    async def collection(self, npi: str) -> Collection: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A provider that is in the directory, and all items of the provider's collection."""

    provider: Provider
    collection: Collection
    tick: int
    """The moment for which openings are shown (`TICK` seconds each)."""

    @property
    def version(self) -> int:
        """Of what is shown: another one with every change of any item, and where openings pass."""
        shown = [openings for each in self.collection.locations if (openings := self._rendered(each)) != UNKNOWN]
        if not shown:
            return self.collection.versions
        digest = hashlib.blake2b(b"".join(shown), digest_size=_DIGEST_BYTES).digest()
        return self.collection.versions << 8 * _DIGEST_BYTES | int.from_bytes(digest, "little")

    def openings(self, location: ProviderLocation) -> Openings | None:
        """Of one of the provider's locations; None where no calendar is known."""
        found = self._rendered(location)
        return None if found == UNKNOWN else Openings.model_validate_json(found)

    def _rendered(self, location: ProviderLocation) -> bytes:
        weeks = self.collection.weeks.get(location.id, ())
        zone = zone_number(location.time_zone or "UTC")
        today = day_of(local(self.tick * TICK, zone))
        return rendered(fresh_entry(row_id(location.id), zone, today, weeks), self.tick)


class Providers:
    """Reads one provider at a time. Raises `NotFound`, `Unprocessable` for what is no NPI, `Unavailable`."""

    def __init__(self, truth: Source, clock: Clock) -> None:
        self._truth = truth
        self._clock = clock

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
        return Page(collection.provider, collection, int(self._clock.time() // TICK))
