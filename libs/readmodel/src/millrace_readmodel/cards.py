"""The search card as a pure function of a provider's item collection in the truth, and its form in the read model."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from millrace_contracts.entities import Address, Provider, ProviderLocation, ReviewSummary
from millrace_readmodel import layout
from millrace_reference.languages import language
from millrace_reference.specialties import specialty
from millrace_reference.text import words

SEXES: Final = {"F": 1, "M": 2, "X": 3}
_STAMP: Final = struct.Struct("<Q")
_REWRITE_BITS: Final = 16
_ROW: Final = struct.Struct("<QQffIIHHHBB")
_NAME_ENTRY: Final = struct.Struct("<QffHH")


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What a search result shows of one provider-location, and all that its row and name entries are made of."""

    version: int
    """Sum of the versions of the collection's items: rises with every change of any part, deletions included."""
    id: str
    npi: str
    name: str
    words: tuple[str, ...]
    """Folded words of the name, for the name index; without repetition."""
    taxonomy: str
    specialty: str
    address: Address
    lat: float
    lon: float
    time_zone: str
    sex: str | None
    languages: tuple[str, ...]
    plans: tuple[str, ...]
    new_patients: bool | None
    rating: float | None
    reviews: int
    practice_id: str | None
    practice_name: str | None
    phone: str | None


class StoredCard(msgspec.Struct, frozen=True, array_like=True):
    """A card as it lies in the read model: plans by number, identifiers as bytes. `version` stands before the rest."""

    uuid: bytes
    number: int
    name: str
    words: tuple[str, ...]
    taxonomy: str
    specialty: int
    """Ordinal."""
    line1: str
    line2: str | None
    city: str
    state: str
    zip: str
    lat: float
    lon: float
    time_zone: str
    sex: str | None
    languages: int
    """Bits by ordinal."""
    plan_set: int
    """Number of the set of accepted plans."""
    new_patients: bool | None
    rating: float | None
    reviews: int
    practice_id: str | None
    practice_name: str | None
    phone: str | None
    version: int = 0

    @property
    def id(self) -> str:
        """Identifier of the provider-location."""
        digits = self.uuid.hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    @property
    def npi(self) -> str:
        return f"{self.number:010d}"

    @property
    def row(self) -> int:
        """The `row_id` of the provider-location."""
        return int.from_bytes(self.uuid[:8], "little")

    @property
    def cell(self) -> str:
        return layout.cell_of(self.lat, self.lon)


@dataclass(frozen=True, slots=True)
class Collection:
    """All items of one provider in the truth."""

    npi: str
    provider: Provider | None
    locations: Sequence[ProviderLocation]
    reviews: ReviewSummary | None
    versions: int
    """Sum of all items' versions; tombstones, which hold no entity, count as well."""
    deleted: Sequence[str] = ()
    """Identifiers of provider-locations of which only the tombstone is left."""

    @property
    def location_ids(self) -> tuple[str, ...]:
        """All provider-locations that have, or may once have had, a card."""
        return (*(location.id for location in self.locations), *self.deleted)


def cards_of(collection: Collection) -> list[Card]:
    """A card for each provider-location that can be found: provider and location live, positioned, specialty known."""
    provider = collection.provider
    if provider is None:
        return []
    name = provider.display_name or f"{provider.first_name} {provider.last_name}"
    name_words = tuple(dict.fromkeys(words(f"{provider.first_name} {provider.middle_name or ''} {provider.last_name}")))
    reviews = collection.reviews if collection.reviews and collection.reviews.count > 0 else None
    return [
        Card(
            version=collection.versions,
            id=location.id,
            npi=provider.npi,
            name=name,
            words=name_words,
            taxonomy=location.taxonomy,
            specialty=location.specialty,
            address=location.address,
            lat=location.position.lat,
            lon=location.position.lon,
            time_zone=location.time_zone or "UTC",
            sex=provider.sex,
            languages=provider.languages,
            plans=location.accepted_plans,
            new_patients=location.new_patients,
            rating=reviews.overall if reviews else None,
            reviews=reviews.count if reviews else 0,
            practice_id=location.practice_id,
            practice_name=location.practice_name,
            phone=location.phone,
        )
        for location in collection.locations
        if location.position is not None and location.specialty is not None and specialty(location.specialty)
    ]


def stored(card: Card, plan_set: int) -> StoredCard:
    """The form of a card in the read model. `plan_set` is the number of the set `card.plans`; ValueError on odd ids."""
    known = specialty(card.specialty)
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
        time_zone=card.time_zone,
        sex=card.sex,
        languages=_language_bits(card.languages),
        plan_set=plan_set,
        new_patients=card.new_patients,
        rating=card.rating,
        reviews=card.reviews,
        practice_id=card.practice_id,
        practice_name=card.practice_name,
        phone=card.phone,
        version=card.version,
    )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredCard)


def encode_card(card: StoredCard, *, after: bytes | None = None) -> bytes:
    """The value of the card's key: its stamp, then msgpack. `after` is the value that it takes the place of.

    The stamp (8 bytes, little endian) holds the version, and in its low 16 bits how often that version was written:
    each write changes it, so whoever compares stamps learns of every write between.
    """
    return _stamp(card.version, after) + _encoder.encode(card)


def encode_removal(version: int, *, after: bytes | None = None) -> bytes:
    """What stands in place of a removed card for a while: a stamp alone, of the version that had no card any more."""
    return _stamp(version, after)


def _stamp(version: int, after: bytes | None) -> bytes:
    rewrites = 0
    if after and version_of(after) == version:
        rewrites = (_STAMP.unpack_from(after)[0] + 1) % (1 << _REWRITE_BITS)
    return _STAMP.pack(version << _REWRITE_BITS | rewrites)


def stamp_of(value: bytes | None) -> bytes:
    """The stamp of a card's value; empty where there is none."""
    return value[: _STAMP.size] if value else b""


def version_of(value: bytes | None) -> int:
    """The version in a card's value, that of a removal as well; 0 where there is none."""
    return int(_STAMP.unpack_from(value)[0]) >> _REWRITE_BITS if value else 0


def content_of(value: bytes | None) -> bytes:
    """A card's value without its stamp; empty where there is no card."""
    return value[_STAMP.size :] if value else b""


def decode_card(value: bytes | None) -> StoredCard | None:
    """Inverse of `encode_card`; None where there is no card. Raises `msgspec.DecodeError`."""
    if value is None or len(value) <= _STAMP.size:
        return None
    return _decoder.decode(memoryview(value)[_STAMP.size :])


def row_of(card: StoredCard) -> bytes:
    """The card's row: one `layout.ROW`."""
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


def name_entry_of(card: StoredCard) -> bytes:
    """What stands under each of the card's words: one `layout.NAME_ENTRY`."""
    return _NAME_ENTRY.pack(card.row, card.lat, card.lon, card.specialty, 0)


def name_entries_of(card: StoredCard) -> Iterator[tuple[str, bytes]]:
    """(word, `NAME_ENTRY`) for each word of the name."""
    entry = name_entry_of(card)
    return ((word, entry) for word in card.words)


def _language_bits(codes: Sequence[str]) -> int:
    bits = 0
    for code in codes:
        known = language(code)
        if known is not None:
            bits |= 1 << known.ordinal
    return bits
