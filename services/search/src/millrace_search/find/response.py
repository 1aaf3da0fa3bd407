"""Encode search responses: join cards rendered as JSON with the values that depend on the query."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from millrace_reference.languages import all_languages
from millrace_reference.specialties import find_specialty_by_ordinal
from millrace_search.engine.area import RATING_STEPS
from millrace_search.engine.query import Facets
from millrace_search.engine.sphere import miles
from millrace_search.index.cards import RenderedCard
from millrace_search.index.plans import Plan

_CODES: Final = {language.ordinal: language.code for language in all_languages()}
_LANGUAGES: Final = tuple(_CODES.get(ordinal, "") for ordinal in range(32))
"""Language codes by bit; empty for unused bits."""
_SEXES: Final = ("F", "M", "X")
_NEW_PATIENTS: Final = ("true", "false")
_STEPS: Final = tuple(f"{step:.1f}" for step in RATING_STEPS)


def encode_response(
    *,
    results: Sequence[tuple[RenderedCard, float, bytes]],
    total: int,
    facets: Facets,
    plan: Plan | None,
    as_of: str | None,
    cursor: str | None,
) -> bytes:
    """Return the JSON of a response. `results` contains (card, squared chord to the center, openings as JSON)."""
    end = b"}"
    if plan is not None:
        accepted = {"id": plan.id, "name": plan.name, "issuer": plan.issuer}
        end = b',"accepted_plan":' + msgspec.json.encode(accepted) + b"}"
    cards = b",".join(
        [
            b'%b,"openings":%b,"distance_mi":%.2f%b' % (card.body, openings, miles(chord), end)
            for card, chord, openings in results
        ]
    )
    return b'{"results":[%b],"total":%d,"facets":{%b},"as_of":%b,"next":%b}' % (
        cards,
        total,
        _facets(facets).encode(),
        _text(as_of),
        _text(cursor),
    )


def _text(value: str | None) -> bytes:
    """Return a JSON string of characters that need no escape, or null."""
    return b"null" if value is None else b'"%b"' % value.encode()


def _facets(facets: Facets) -> str:
    specialties = (
        (each.slug, n) for ordinal, n in facets.specialties.items() if (each := find_specialty_by_ordinal(ordinal))
    )
    return ",".join(
        (
            _counts("specialty", specialties),
            _counts("language", [(code, n) for code, n in zip(_LANGUAGES, facets.languages, strict=True) if n]),
            _counts("sex", zip(_SEXES, facets.sexes, strict=True)),
            _counts("new_patients", zip(_NEW_PATIENTS, facets.new_patients, strict=True)),
            _counts("min_rating", zip(_STEPS, facets.ratings, strict=True)),
        )
    )


def _counts(name: str, counts: Iterable[tuple[str, float]]) -> str:
    return f'"{name}":{{' + ",".join([f'"{value}":{n:.0f}' for value, n in counts if n]) + "}"
