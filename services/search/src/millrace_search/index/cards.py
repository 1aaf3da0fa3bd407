"""Cards as they go into an answer: rendered once, when they are fetched."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from millrace_readmodel.cards import StoredCard, decode_card
from millrace_reference.languages import all_languages
from millrace_reference.specialties import specialty_by_ordinal

_encoder: Final = msgspec.json.Encoder()
_LANGUAGES: Final = tuple((1 << language.ordinal, language.code) for language in all_languages())


@dataclass(frozen=True, slots=True, eq=False)
class RenderedCard:
    """What an answer needs of one provider-location.

    `body` is a JSON object without its closing brace; `specialty` (ordinal) and `cell` are those of its partition.
    """

    version: int
    specialty: int
    cell: str
    body: bytes

    @property
    def nbytes(self) -> int:
        return 350 + len(self.body)


ABSENT: Final = RenderedCard(version=0, specialty=0, cell="", body=b"")
"""In place of a card that isn't there: no row has version 0."""


def rendered(_key: bytes, value: bytes | None) -> RenderedCard:
    """From a card's string. Raises `msgspec.DecodeError`."""
    card = decode_card(value)
    if card is None:
        return ABSENT
    return RenderedCard(
        version=card.version,
        specialty=card.specialty,
        cell=card.cell,
        body=_encoder.encode(_members(card))[:-1],
    )


class Person(msgspec.Struct, frozen=True):
    """Who a card is of."""

    npi: str
    name: str


class Town(msgspec.Struct, frozen=True):
    city: str
    state: str


class _Location(msgspec.Struct, frozen=True):
    address: Town


class _Gist(msgspec.Struct, frozen=True):
    provider: Person
    location: _Location


_gist = msgspec.json.Decoder(_Gist)


def gist(card: RenderedCard) -> tuple[Person, Town]:
    """Who, and in which town."""
    found = _gist.decode(card.body + b"}")
    return found.provider, found.location.address


def _members(card: StoredCard) -> dict[str, Any]:
    known = specialty_by_ordinal(card.specialty)
    return {
        "id": card.id,
        "provider": {
            "npi": card.npi,
            "name": card.name,
            "sex": card.sex,
            "specialty": {"slug": known.slug, "name": known.name} if known else None,
            "taxonomy": card.taxonomy,
        },
        "location": {
            "address": {
                "line1": card.line1,
                "line2": card.line2,
                "city": card.city,
                "state": card.state,
                "zip": card.zip,
            },
            "position": {"lat": card.lat, "lon": card.lon},
            "time_zone": card.time_zone,
            "phone": card.phone,
            "practice": {"id": card.practice_id, "name": card.practice_name} if card.practice_id else None,
        },
        "rating": card.rating,
        "reviews": card.reviews,
        "languages": [code for bit, code in _LANGUAGES if card.languages & bit],
        "new_patients": card.new_patients,
    }
