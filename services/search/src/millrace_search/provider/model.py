"""A provider as read from the source of truth."""

import hashlib
from dataclasses import dataclass
from typing import Final

from millrace_contracts.entities import Provider, ProviderLocation
from millrace_readmodel.cards import ItemCollection
from millrace_readmodel.layout import row_id
from millrace_readmodel.openings_writer import build_entry_from_items
from millrace_readmodel.plan_years import accepted_plans, plan_year
from millrace_readmodel.zones import day_number, local_time, zone_number
from millrace_search.index.openings import TICK_SECONDS, UNKNOWN, render_openings

_DIGEST_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A provider with its locations, openings and reviews at one moment."""

    provider: Provider
    collection: ItemCollection
    tick: int
    """The moment for which openings are shown, in units of `TICK_SECONDS`."""

    @property
    def version(self) -> int:
        """Version for the ETag: differs after every change of an item, when openings pass, and when plans end."""
        shown = [openings for each in self.collection.locations if (openings := self.openings(each)) != UNKNOWN]
        if any(each.accepted_plan_years for each in self.collection.locations):
            shown.append(str(self._plan_year).encode())
        if not shown:
            return self.collection.versions
        digest = hashlib.blake2b(b"".join(shown), digest_size=_DIGEST_BYTES).digest()
        return self.collection.versions << 8 * _DIGEST_BYTES | int.from_bytes(digest, "little")

    def accepted_plans(self, location: ProviderLocation) -> list[str]:
        """Return the ids of the plans that a location accepts this year."""
        return accepted_plans(location, self._plan_year)

    @property
    def _plan_year(self) -> int:
        return plan_year(self.tick * TICK_SECONDS)

    def openings(self, location: ProviderLocation) -> bytes:
        """Return the openings of a location as the JSON of `schemas.Openings`, or `UNKNOWN`."""
        weeks = self.collection.weeks.get(location.id, ())
        zone = zone_number(location.time_zone or "UTC")
        today = day_number(local_time(self.tick * TICK_SECONDS, zone))
        return render_openings(build_entry_from_items(row_id(location.id), zone, today, weeks), self.tick)
