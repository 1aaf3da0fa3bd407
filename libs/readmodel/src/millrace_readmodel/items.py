"""The items of the truth: which entity lies where, and what a provider's collection of them says. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final, TypeVar

import msgspec

from millrace_contracts import registry
from millrace_contracts.entities import Provider, ProviderLocation, ReviewSummary
from millrace_contracts.envelope import ContractError, Envelope
from millrace_readmodel.cards import Collection
from millrace_readmodel.openings import WeekItem, week_of
from millrace_readmodel.zones import date_of, monday, week_number

E = TypeVar("E", Provider, ProviderLocation, ReviewSummary)
PROFILE: Final = "PROFILE"
REVIEWS: Final = "REVIEWS"
PROVIDER_PREFIX: Final = "PROVIDER#"
PLAN_PREFIX: Final = "PLAN#"
LOCATION_PREFIX: Final = "LOCATION#"
AVAILABILITY_PREFIX: Final = "AVAILABILITY#"
WEEKS_KEPT: Final = 4
"""After which the openings of a week may go from the truth."""
_KEYS: Final = {
    "provider": (PROVIDER_PREFIX + "{0}", PROFILE),
    "provider-location": (PROVIDER_PREFIX + "{0}", LOCATION_PREFIX + "{1}"),
    "availability": (PROVIDER_PREFIX + "{0}", AVAILABILITY_PREFIX + "{1}#{2}"),
    "review-summary": (PROVIDER_PREFIX + "{0}", REVIEWS),
    "location": (LOCATION_PREFIX + "{0}", PROFILE),
    "practice": ("PRACTICE#{0}", PROFILE),
    "insurance-plan": (PLAN_PREFIX + "{0}", PROFILE),
}
"""Partition and sort key by entity, from the parts of the subject."""
_ELSEWHERE: Final = frozenset({"appointment", "patient", "waitlist-offer"})
"""Entities that no search shows."""


class Item(msgspec.Struct, frozen=True, gc=False):
    """One entity in the truth. `data` is its clean JSON, None on a tombstone; `time` its commit time (RFC 3339)."""

    pk: str
    sk: str
    version: int
    data: str | None
    time: str
    subject: str


@dataclass(frozen=True, slots=True)
class PlanItem:
    """An insurance plan as the read model needs it; `data` is JSON, None when the plan is gone."""

    id: str
    version: int
    data: bytes | None


def item_of(envelope: Envelope) -> Item | None:
    """The item that an event of `entities` makes; None for entities that the truth doesn't hold.

    Raises `ContractError` for what can't be read, so that nothing enters the truth that no card could be made of.
    """
    registry.entity_of(envelope)
    key = key_of(envelope.subject)
    if key is None:
        return None
    data = None if envelope.deleted else bytes(envelope.data).decode()
    item = Item(*key, envelope.entityversion, data, envelope.time, envelope.subject)
    if item.sk.startswith(AVAILABILITY_PREFIX):
        week_of(week_item(item), 0)
    return item


def key_of(subject: str) -> tuple[str, str] | None:
    """Partition and sort key of an entity; None if the truth doesn't hold such entities.

    Raises `ContractError` for a subject with too few parts.
    """
    entity, *parts = subject.split("/")
    if entity in _ELSEWHERE:
        return None
    try:
        pk, sk = _KEYS[entity]
        return pk.format(*parts), sk.format(*parts)
    except LookupError as error:
        raise ContractError(f"subject: the truth has no place for {subject!r}") from error


_provider = msgspec.json.Decoder(Provider)
_location = msgspec.json.Decoder(ProviderLocation)
_reviews = msgspec.json.Decoder(ReviewSummary)


def collection_of(npi: str, items: Iterable[Item]) -> Collection:
    """What the items of one provider say together, in whatever order they come. Raises `ContractError`."""
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
            if item.data is None:
                deleted.append(item.sk.removeprefix(LOCATION_PREFIX))
            else:
                locations.append(_decoded(_location, item, item.data))
        elif item.data is None:
            continue
        elif item.sk == PROFILE:
            provider = _decoded(_provider, item, item.data)
        elif item.sk == REVIEWS:
            reviews = _decoded(_reviews, item, item.data)
    locations.sort(key=lambda location: location.id)
    return Collection(npi, provider, locations, reviews, versions, tuple(sorted(deleted)), weeks)


def week_item(item: Item) -> WeekItem:
    """The openings of a week from their item. Raises `ContractError` for a week that is none."""
    location_id, _, week = item.sk.removeprefix(AVAILABILITY_PREFIX).rpartition("#")
    try:
        number = week_number(week)
    except ValueError as error:
        raise ContractError(f"{item.subject}: {error}") from error
    return WeekItem(item.pk.removeprefix(PROVIDER_PREFIX), location_id, number, item.version, item.data)


def expiry_of(item: Item) -> int | None:
    """When the item may go (unix seconds): openings some weeks after theirs, nothing else ever."""
    if not item.sk.startswith(AVAILABILITY_PREFIX):
        return None
    day = date_of(monday(week_item(item).week + 1 + WEEKS_KEPT))
    return int(datetime.combine(day, time(), UTC).timestamp())


def _decoded(decoder: msgspec.json.Decoder[E], item: Item, data: str) -> E:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise ContractError(f"{item.subject}: {error}") from error


def plan_of(item: Item) -> PlanItem:
    return PlanItem(item.pk.removeprefix(PLAN_PREFIX), item.version, item.data.encode() if item.data else None)


def plan_value(plan: PlanItem) -> bytes:
    """The value of a plan in the read model: version (8 bytes, little endian), then JSON. Empty if it is gone."""
    return b"" if plan.data is None else plan.version.to_bytes(8, "little") + plan.data
