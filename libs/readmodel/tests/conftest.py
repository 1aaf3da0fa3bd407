"""An in-memory source of truth, factories of items for it, and a fixture that audits the read model."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from millrace_contracts.entities import Address, Availability, Opening, Position, Provider, ProviderLocation
from millrace_readmodel import cards
from millrace_readmodel.audit import Audit, Difference
from millrace_readmodel.cached_generation import CachedGeneration
from millrace_readmodel.items import Item, PlanItem, build_collection, plan_from_item, week_item
from millrace_readmodel.openings import WeekItem

PLACES = {  # far apart, each in another cell
    "New York": (40.71, -74.01),
    "Chicago": (41.88, -87.63),
    "Los Angeles": (34.05, -118.24),
    "Houston": (29.76, -95.37),
}
SPECIALTIES = ("dermatology", "family-medicine")


class MemoryTruth:
    """An in-memory source of truth: only higher versions replace items; reads are strongly consistent."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Item]] = defaultdict(dict)
        self.reads = 0
        self.week_reads = 0

    async def put(self, items: Iterable[Item]) -> int:
        newer = [item for item in items if self._version(item) < item.version]
        for item in newer:
            self.stored[item.pk][item.sk] = item
        return len(newer)

    def _version(self, item: Item) -> int:
        known = self.stored[item.pk].get(item.sk)
        return known.version if known else 0

    async def collections(self, npis: Collection[str]) -> list[cards.ItemCollection]:
        self.reads += 1
        found = [build_collection(npi, self.stored[f"PROVIDER#{npi}"].values()) for npi in npis]
        await asyncio.sleep(0)
        return found

    async def plans(self, plan_ids: Collection[str]) -> list[PlanItem]:
        items = [self.stored[f"PLAN#{plan}"].get("PROFILE") for plan in plan_ids]
        await asyncio.sleep(0)
        return [
            plan_from_item(item) if item else PlanItem(plan, 0, None)
            for plan, item in zip(plan_ids, items, strict=True)
        ]

    async def openings(self, locations: Collection[tuple[str, str]]) -> list[list[WeekItem]]:
        self.week_reads += len(locations)
        found = [
            [
                week_item(item)
                for sk, item in self.stored[f"PROVIDER#{npi}"].items()
                if sk.startswith(f"AVAILABILITY#{location}#")
            ]
            for npi, location in locations
        ]
        await asyncio.sleep(0)
        return found

    async def scan(self, handle: Callable[[list[list[Item]]], Awaitable[None]], *, segments: int = 1) -> None:
        for pk in list(self.stored):
            if self.stored[pk]:
                await handle([list(self.stored[pk].values())])


class DelayedTruth(MemoryTruth):
    """Shares the items of another source of truth; awaits `after_read` before it returns the collections it read."""

    def __init__(self, truth: MemoryTruth, after_read: Callable[[list[cards.ItemCollection]], Awaitable[None]]) -> None:
        super().__init__()
        self.stored = truth.stored
        self._after_read = after_read

    async def collections(self, npis: Collection[str]) -> list[cards.ItemCollection]:
        found = await super().collections(npis)
        await self._after_read(found)
        return found


class RecordingObserver:
    """Records the generations that were prepared and the changed keys that belong to no key space."""

    def __init__(self) -> None:
        self.prepared: list[int] = []
        self.changes: list[bytes | None] = []

    async def prepare(self, generation: CachedGeneration) -> None:
        self.prepared.append(generation.number)

    def on_change(self, generation: CachedGeneration, key: bytes | None) -> None:
        self.changes.append(key)


class Make:
    """Creates items of test entities."""

    def provider(self, npi: str, version: int, first_name: str = "Ada", last_name: str = "Lovelace") -> Item:
        provider = Provider(npi=npi, first_name=first_name, last_name=last_name, taxonomy="207N00000X")
        return self._item(f"PROVIDER#{npi}", "PROFILE", version, msgspec.json.encode(provider), f"provider/{npi}")

    def location(
        self,
        npi: str,
        version: int,
        *,
        number: int = 0,
        place: str = "New York",
        specialty: str = SPECIALTIES[0],
        plans: tuple[str, ...] = (),
    ) -> Item:
        identifier = self.location_id(npi, number)
        lat, lon = PLACES[place]
        location = ProviderLocation(
            id=identifier,
            npi=npi,
            location_id="location",
            address=Address(line1="1 Main St", city=place, state="XX", zip="00000"),
            taxonomy="207N00000X",
            specialty=specialty,
            accepted_plans=plans,
            position=Position(lat=lat, lon=lon),
            time_zone="America/New_York",
        )
        subject = f"provider-location/{npi}/{identifier}"
        return self._item(f"PROVIDER#{npi}", f"LOCATION#{identifier}", version, msgspec.json.encode(location), subject)

    def plan(self, identifier: str, version: int) -> Item:
        data = msgspec.json.encode({"id": identifier, "name": f"Plan {version}"})
        return self._item(f"PLAN#{identifier}", "PROFILE", version, data, f"insurance-plan/{identifier}")

    def week(self, npi: str, version: int, *starts: str, number: int = 0, week: str = "2026-W48", **kind: Any) -> Item:
        """Create openings at these times (RFC 3339); `kind` are other fields of `Opening`."""
        identifier = self.location_id(npi, number)
        openings = tuple(Opening(start=start, minutes=20, **kind) for start in sorted(starts))
        entity = Availability(
            provider_location_id=identifier, npi=npi, week=week, time_zone="America/New_York", openings=openings
        )
        subject = f"availability/{npi}/{identifier}/{week}"
        sk = f"AVAILABILITY#{identifier}#{week}"
        return self._item(f"PROVIDER#{npi}", sk, version, msgspec.json.encode(entity), subject)

    def deleted(self, item: Item, version: int) -> Item:
        return msgspec.structs.replace(item, version=version, data=None)

    def location_id(self, npi: str, number: int = 0) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{npi}/{number}"))

    def _item(self, pk: str, sk: str, version: int, data: bytes, subject: str) -> Item:
        return Item(pk, sk, version, data.decode(), "2026-11-21T00:00:00.000Z", subject)


FindDifferences = Callable[[MemoryTruth, int], Awaitable[list[Difference]]]


@pytest.fixture
def truth() -> MemoryTruth:
    return MemoryTruth()


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def differences(redis: Redis) -> FindDifferences:
    """Return a function that lists all differences between a source of truth and a generation."""

    async def find_differences(truth: MemoryTruth, generation: int) -> list[Difference]:
        found: list[Difference] = []
        audit = Audit(redis, generation, found.append)
        await audit.start()
        await truth.scan(audit.check)
        await audit.finish()
        return found

    return find_differences
