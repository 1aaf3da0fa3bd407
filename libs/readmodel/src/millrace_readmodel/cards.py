"""Build search cards from a provider's item collection and encode them for the read model (pure functions).

A card is the content of a search result for one provider-location; see `layout` for the other terms.
"""

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeGuard

import msgspec

from millrace_contracts.entities import Address, Provider, ProviderLocation, ReviewSummary
from millrace_readmodel import layout
from millrace_readmodel.openings import WeekItem
from millrace_readmodel.plan_years import plan_set
from millrace_readmodel.zones import TIME_ZONES, zone_number
from millrace_reference.languages import find_language
from millrace_reference.names import index_words
from millrace_reference.specialties import find_specialty

SEXES: Final = {"F": 1, "M": 2, "X": 3}
_STAMP: Final = struct.Struct("<Q")
_REWRITE_BITS: Final = 16
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_ROW: Final = struct.Struct("<QQffIIHHHBB")
_NAME_ENTRY: Final = struct.Struct("<QffHH")


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Content of the search result for one provider-location, from which its row and name entries are built."""

    version: int
    """Sum of the versions of the provider's items in the source of truth: every change increases it, even deletion."""
    id: str
    npi: str
    name: str
    words: tuple[str, ...]
    """Distinct words of the name index (`reference.names.index_words`)."""
    taxonomy: str
    specialty: str
    address: Address
    lat: float
    lon: float
    time_zone: str
    sex: str | None
    languages: tuple[str, ...]
    plans: tuple[str, ...]
    """The plan set: see `plan_years.plan_set`."""
    new_patients: bool | None
    rating: float | None
    reviews: int
    practice_id: str | None
    practice_name: str | None
    phone: str | None


class StoredCard(msgspec.Struct, frozen=True, array_like=True):
    """Compact form of a card in the read model: plan set and time zone as numbers, identifiers as bytes."""

    uuid: bytes
    number: int
    name: str
    words: tuple[str, ...]
    taxonomy: str
    specialty: int
    """Ordinal in `reference.specialties`."""
    line1: str
    line2: str | None
    city: str
    state: str
    zip: str
    lat: float
    lon: float
    zone: int | str
    """Number of the time zone in `zones.TIME_ZONES`, or the name of a zone that is not listed there."""
    sex: str | None
    languages: int
    """Bit mask: bit i is set for the language with ordinal i."""
    plan_set: int
    """Number of the set of accepted plans in the generation's list of plan sets."""
    new_patients: bool | None
    rating: float | None
    reviews: int
    practice: bytes | None
    """Practice id as bytes if it is a UUID, else None."""
    practice_name: str | None
    telephone: int | str | None
    """Digits of an E.164 phone number, or any other phone number as text."""
    other_practice: str | None = None
    """Practice id as text if it is not a UUID, else None."""
    version: int = 0

    @property
    def id(self) -> str:
        """Id of the provider-location, as UUID text."""
        return _uuid_text(self.uuid)

    @property
    def time_zone(self) -> str:
        """IANA name of the time zone."""
        return self.zone if isinstance(self.zone, str) else TIME_ZONES[self.zone]

    @property
    def practice_id(self) -> str | None:
        return self.other_practice if self.practice is None else _uuid_text(self.practice)

    @property
    def phone(self) -> str | None:
        return f"+{self.telephone}" if isinstance(self.telephone, int) else self.telephone

    @property
    def npi(self) -> str:
        return f"{self.number:010d}"

    @property
    def row(self) -> int:
        """The 64-bit id of the provider-location in rows and keys, equal to `layout.row_id(self.id)`."""
        return int.from_bytes(self.uuid[:8], "little")

    @property
    def cell(self) -> str:
        return layout.cell_at(self.lat, self.lon)


@dataclass(frozen=True, slots=True)
class ItemCollection:
    """All items of one provider in the source of truth."""

    npi: str
    provider: Provider | None
    locations: Sequence[ProviderLocation]
    reviews: ReviewSummary | None
    versions: int
    """Sum of the versions of all items, including tombstones but not openings."""
    deleted: Sequence[str] = ()
    """Ids of provider-locations that are deleted or pending."""
    weeks: Mapping[str, Sequence[WeekItem]] = field(default_factory=dict)
    """Openings by provider-location id; not part of cards."""

    @property
    def location_ids(self) -> tuple[str, ...]:
        """Ids of all provider-locations that have or may have had a card."""
        return (*(location.id for location in self.locations), *self.deleted)


def build_cards(collection: ItemCollection) -> list[Card]:
    """Return a card for each provider-location that is not deleted and has a position and a known specialty."""
    provider = collection.provider
    if provider is None:
        return []
    name = provider.display_name or f"{provider.first_name} {provider.last_name}"
    words = index_words(
        provider.first_name, provider.middle_name, provider.last_name, provider.suffix, provider.credential
    )
    reviews = collection.reviews if collection.reviews and collection.reviews.count > 0 else None
    return [
        Card(
            version=collection.versions,
            id=location.id,
            npi=provider.npi,
            name=name,
            words=words,
            taxonomy=location.taxonomy,
            specialty=location.specialty,
            address=location.address,
            lat=location.position.lat,
            lon=location.position.lon,
            time_zone=location.time_zone or "UTC",
            sex=provider.sex,
            languages=provider.languages,
            plans=plan_set(location),
            new_patients=location.new_patients,
            rating=reviews.overall if reviews else None,
            reviews=reviews.count if reviews else 0,
            practice_id=location.practice_id,
            practice_name=location.practice_name,
            phone=location.phone,
        )
        for location in collection.locations
        if location.position is not None and location.specialty is not None and find_specialty(location.specialty)
    ]


def to_stored_card(card: Card, plan_set: int) -> StoredCard:
    """Return a card's compact form with the number of its plan set; raise `ValueError` for invalid ids or specialty."""
    known = find_specialty(card.specialty)
    if known is None:
        raise ValueError(f"specialty {card.specialty!r} of provider-location {card.id} is unknown")
    return StoredCard(
        uuid=bytes.fromhex(card.id.replace("-", "")),
        number=int(card.npi),
        name=card.name,
        words=card.words,
        taxonomy=card.taxonomy,
        specialty=known.ordinal,
        line1=card.address.line1,
        line2=card.address.line2,
        city=card.address.city,
        state=card.address.state,
        zip=card.address.zip,
        lat=card.lat,
        lon=card.lon,
        zone=zone_number(card.time_zone) or card.time_zone,
        sex=card.sex,
        languages=_language_bits(card.languages),
        plan_set=plan_set,
        new_patients=card.new_patients,
        rating=card.rating,
        reviews=card.reviews,
        practice=bytes.fromhex(card.practice_id.replace("-", "")) if _is_uuid(card.practice_id) else None,
        practice_name=card.practice_name,
        telephone=_digits(card.phone),
        version=card.version,
        other_practice=None if _is_uuid(card.practice_id) else card.practice_id,
    )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredCard)


def encode_card(card: StoredCard, *, after: bytes | None = None) -> bytes:
    """Return the value to store for a card: a stamp, then msgpack. `after` is the value it replaces, None without one.

    The stamp (8 bytes, little endian) contains the version and, in its low 16 bits, the number of rewrites of that
    version. Every write changes it, so comparing stamps detects every concurrent write.
    """
    return _stamp(card.version, after) + _encoder.encode(card)


def encode_removal(version: int, *, after: bytes | None = None) -> bytes:
    """Return the value, only a stamp with the version, that replaces a removed card's `after` for some minutes."""
    return _stamp(version, after)


def _stamp(version: int, after: bytes | None) -> bytes:
    rewrites = 0
    if after and card_version(after) == version:
        rewrites = (_STAMP.unpack_from(after)[0] + 1) % (1 << _REWRITE_BITS)
    return _STAMP.pack(version << _REWRITE_BITS | rewrites)


def card_stamp(value: bytes | None) -> bytes:
    """Return the stamp (8 bytes, new in every write) at the start of a stored card; empty bytes for None."""
    return value[: _STAMP.size] if value else b""


def card_version(value: bytes | None) -> int:
    """Return the version in the value of a card or of a removed card; 0 for None."""
    return int(_STAMP.unpack_from(value)[0]) >> _REWRITE_BITS if value else 0


def card_content(value: bytes | None) -> bytes:
    """Return the value of a card without its 8-byte stamp; empty bytes for None or a removed card."""
    return value[_STAMP.size :] if value else b""


def decode_card(value: bytes | None) -> StoredCard | None:
    """Decode a card's value; return None without a value or for a removed card. Raises `msgspec.DecodeError`."""
    if value is None or len(value) <= _STAMP.size:
        return None
    return _decoder.decode(memoryview(value)[_STAMP.size :])


def encode_row(card: StoredCard) -> bytes:
    """Return the row (bytes of one `layout.ROW`) by which searches filter and sort the card."""
    return _ROW.pack(
        card.row,
        card.version,
        card.lat,
        card.lon,
        card.languages,
        card.plan_set,
        card.specialty,
        round(card.rating * 1000) if card.rating else 0,
        min(card.reviews, 0xFFFF),
        SEXES.get(card.sex or "", 0),
        0 if card.new_patients is None else 1 + card.new_patients,
    )


def encode_name_entry(card: StoredCard) -> bytes:
    """Return the bytes of the card's `layout.NAME_ENTRY`, which is stored under each word of the name."""
    return _NAME_ENTRY.pack(card.row, card.lat, card.lon, card.specialty, 0)


def _uuid_text(uuid: bytes) -> str:
    digits = uuid.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _is_uuid(text: str | None) -> TypeGuard[str]:
    return text is not None and _UUID.fullmatch(text) is not None


def _digits(phone: str | None) -> int | str | None:
    """Return an E.164 phone number as an integer, and any other text unchanged."""
    return int(phone[1:]) if phone and _E164.fullmatch(phone) else phone


def _language_bits(codes: Sequence[str]) -> int:
    return sum({1 << known.ordinal for code in codes if (known := find_language(code)) is not None})
