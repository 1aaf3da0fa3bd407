"""Map entities to items of the source of truth, and items to collections, openings and plans (pure functions)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final, TypeVar

import msgspec

from millrace_contracts import registry
from millrace_contracts.entities import Provider, ProviderLocation, ReviewSummary
from millrace_contracts.envelope import ContractError, Envelope
from millrace_readmodel.cards import ItemCollection
from millrace_readmodel.openings import WeekItem, summarize_week
from millrace_readmodel.zones import date_from_day, first_day_of_week, week_number

E = TypeVar("E", Provider, ProviderLocation, ReviewSummary)
PROFILE: Final = "PROFILE"
REVIEWS: Final = "REVIEWS"
PROVIDER_PREFIX: Final = "PROVIDER#"
PLAN_PREFIX: Final = "PLAN#"
LOCATION_PREFIX: Final = "LOCATION#"
AVAILABILITY_PREFIX: Final = "AVAILABILITY#"
WEEKS_RETAINED: Final = 4
"""Number of weeks that the openings of a past week remain in the source of truth."""
_KEYS: Final = {
    "provider": (PROVIDER_PREFIX + "{0}", PROFILE),
    "provider-location": (PROVIDER_PREFIX + "{0}", LOCATION_PREFIX + "{1}"),
    "availability": (PROVIDER_PREFIX + "{0}", AVAILABILITY_PREFIX + "{1}#{2}"),
    "review-summary": (PROVIDER_PREFIX + "{0}", REVIEWS),
    "location": (LOCATION_PREFIX + "{0}", PROFILE),
    "practice": ("PRACTICE#{0}", PROFILE),
    "insurance-plan": (PLAN_PREFIX + "{0}", PROFILE),
}
"""Format strings of partition and sort key by entity type; the arguments are the parts of the subject."""
_NOT_STORED: Final = frozenset({"account", "appointment", "patient", "waitlist-offer"})
"""Entity types that are not stored because searches don't use them."""


class Item(msgspec.Struct, frozen=True, gc=False):
    """An entity in the source of truth: `data` is JSON, None on a tombstone; `time` is the commit time (RFC 3339)."""

    pk: str
    sk: str
    version: int
    data: str | None
    time: str
    subject: str


@dataclass(frozen=True, slots=True)
class PlanItem:
    """An insurance plan; `data` is JSON, None for a deleted plan."""

    id: str
    version: int
    data: bytes | None


def item_from_event(envelope: Envelope) -> Item | None:
    """Return the item for an event of `entities`; None for entity types that are not stored.

    Raises `ContractError` for an invalid entity, so that cards can be built from everything in the source of truth.
    """
    registry.decode_entity(envelope)
    key = item_key(envelope.subject)
    if key is None:
        return None
    data = None if envelope.is_deletion else bytes(envelope.data).decode()
    item = Item(*key, envelope.entityversion, data, envelope.time, envelope.subject)
    if item.sk.startswith(AVAILABILITY_PREFIX):
        summarize_week(week_item(item), 0)
    return item


def item_key(subject: str) -> tuple[str, str] | None:
    """Return partition and sort key of an entity; None for entity types that are not stored.

    Raises `ContractError` for an unknown entity type or a subject with too few parts.
    """
    entity, *parts = subject.split("/")
    if entity in _NOT_STORED:
        return None
    try:
        pk, sk = _KEYS[entity]
        return pk.format(*parts), sk.format(*parts)
    except LookupError as error:
        raise ContractError(f"subject: {subject!r} has an unknown entity type or too few parts") from error


_provider = msgspec.json.Decoder(Provider)
_location = msgspec.json.Decoder(ProviderLocation)
_reviews = msgspec.json.Decoder(ReviewSummary)


def build_collection(npi: str, items: Iterable[Item]) -> ItemCollection:
    """Decode a provider's items, given in any order, into a collection; raise `ContractError` for an invalid item."""
    provider: Provider | None = None
    reviews: ReviewSummary | None = None
    locations: list[ProviderLocation] = []
    deleted: list[str] = []
    weeks: dict[str, list[WeekItem]] = {}
    versions = 0
    for item in items:
        if item.sk.startswith(AVAILABILITY_PREFIX):
            week = week_item(item)
            weeks.setdefault(week.location_id, []).append(week)
            continue
        versions += item.version
        if item.sk.startswith(LOCATION_PREFIX):
            location = None if item.data is None else _decode(_location, item, item.data)
            # A provider-location that is pending isn't shown, like a deleted one.
            if location is None or location.is_pending:
                deleted.append(item.sk.removeprefix(LOCATION_PREFIX))
            else:
                locations.append(location)
        elif item.data is None:
            continue
        elif item.sk == PROFILE:
            provider = _decode(_provider, item, item.data)
        elif item.sk == REVIEWS:
            reviews = _decode(_reviews, item, item.data)
    locations.sort(key=lambda location: location.id)
    return ItemCollection(npi, provider, locations, reviews, versions, tuple(sorted(deleted)), weeks)


def week_item(item: Item) -> WeekItem:
    """Return an `availability` item as the openings of one week; raise `ContractError` for an invalid week."""
    location_id, _, week = item.sk.removeprefix(AVAILABILITY_PREFIX).rpartition("#")
    try:
        number = week_number(week)
    except ValueError as error:
        raise ContractError(f"{item.subject}: {error}") from error
    return WeekItem(item.pk.removeprefix(PROVIDER_PREFIX), location_id, number, item.version, item.data)


def item_expiry(item: Item) -> int | None:
    """Return when an item expires (Unix seconds): openings `WEEKS_RETAINED` after their week; None for other items."""
    if not item.sk.startswith(AVAILABILITY_PREFIX):
        return None
    day = date_from_day(first_day_of_week(week_item(item).week + 1 + WEEKS_RETAINED))
    return int(datetime.combine(day, time(), UTC).timestamp())


def _decode(decoder: msgspec.json.Decoder[E], item: Item, data: str) -> E:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise ContractError(f"{item.subject}: {error}") from error


def plan_from_item(item: Item) -> PlanItem:
    return PlanItem(item.pk.removeprefix(PLAN_PREFIX), item.version, item.data.encode() if item.data else None)


def encode_plan(plan: PlanItem) -> bytes:
    """Return a plan's value in the read model: version (8 bytes, little endian), then JSON; empty if deleted."""
    return b"" if plan.data is None else plan.version.to_bytes(8, "little") + plan.data
