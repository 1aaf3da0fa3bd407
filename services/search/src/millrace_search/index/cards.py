"""Render cards (the content of search results) as JSON once, when they are fetched."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from millrace_readmodel.cards import StoredCard, decode_card
from millrace_reference.languages import all_languages
from millrace_reference.specialties import find_specialty_by_ordinal

_encoder: Final = msgspec.json.Encoder()
_LANGUAGES: Final = tuple((1 << language.ordinal, language.code) for language in all_languages())


@dataclass(frozen=True, slots=True, eq=False)
class RenderedCard:
    """A search result that is rendered except for the values that depend on the query.

    `body` is a JSON object without its closing brace; `specialty` (ordinal) and `cell` identify the partition.
    """

    version: int
    specialty: int
    cell: str
    body: bytes

    @property
    def nbytes(self) -> int:
        return 350 + len(self.body)

    def decode(self) -> Any:
        """Return the search result as decoded JSON, without the values that depend on the query."""
        return msgspec.json.decode(self.body + b"}")


ABSENT: Final = RenderedCard(version=0, specialty=0, cell="", body=b"")
"""Stands for a missing card; matches no row, as no row has version 0."""


def render_card(_key: bytes, value: bytes | None) -> RenderedCard:
    """Render a stored card; return `ABSENT` for None or a removed card. Raises `msgspec.DecodeError`."""
    card = decode_card(value)
    if card is None:
        return ABSENT
    return RenderedCard(
        version=card.version, specialty=card.specialty, cell=card.cell, body=_encoder.encode(_card_fields(card))[:-1]
    )


def _card_fields(card: StoredCard) -> dict[str, Any]:
    known = find_specialty_by_ordinal(card.specialty)
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
