"""Parse the query string of a search."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from millrace_readmodel.cards import SEXES
from millrace_reference.languages import all_languages, find_language, find_language_by_name
from millrace_reference.names import TypedName, parse_name
from millrace_reference.places import find_nearest_zips, find_place
from millrace_reference.specialties import all_specialties, find_specialty, find_specialty_by_taxonomy
from millrace_reference.text import find_closest
from millrace_reference.visit_reasons import VisitReason, all_visit_reasons, find_visit_reason
from millrace_search.engine import cursor as cursors
from millrace_search.engine.openings import OpeningsFilter
from millrace_search.engine.query import PagePosition, Query
from millrace_search.engine.sphere import Circle
from millrace_search.find.availability import parse_openings_filter
from millrace_search.find.schemas import SearchParameters
from millrace_search.schemas import invalid_parameter, unknown_value

NAME_WORDS: Final = 16
_ZIP: Final = re.compile(r"(\d{5})(?:-\d{4})?", re.ASCII)
_NEW_PATIENTS: Final = {None: None, False: 1, True: 2}


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """A search parsed from its query parameters."""

    specialties: tuple[int, ...]
    """Ordinals of the specialties; empty for a search by name in all specialties."""
    name: TypedName
    """The typed name; without words if none was given."""
    plan: str | None
    query: Query
    """The query except plan, name and openings, whose resolution needs the read model."""
    openings_filter: OpeningsFilter
    key: bytes
    """Identifies the search in its cursors."""
    shown: tuple[int, ...]
    """Ids shown on previous pages."""


def parse_search(parameters: SearchParameters, now: float) -> SearchRequest:
    """Parse the parameters of a search at a moment (Unix seconds).

    Raises `Unprocessable` with the invalid parameter and the nearest valid values.
    """
    circle = _parse_circle(parameters.near, parameters.radius_mi)
    specialties = _find_specialties(parameters.specialty, parameters.visit_reason)
    name = _parse_name(parameters.name)
    if not specialties and not name:
        raise invalid_parameter(
            "specialty", "A specialty, visit reason or name is missing.", "Add specialty, visit_reason or name."
        )
    filters = (
        _find_language(parameters.language),
        SEXES[parameters.sex] if parameters.sex else None,
        _NEW_PATIENTS[parameters.new_patients],
        None if parameters.min_rating is None else round(parameters.min_rating * 1000),
    )
    place = circle.lat, circle.lon, circle.radius_mi
    openings_filter, filter_key = parse_openings_filter(parameters, now)
    key = msgspec.msgpack.encode(
        (place, specialties, name.parts, parameters.plan, filters, filter_key, parameters.sort)
    )
    after, shown = _decode_cursor(parameters.cursor, key)
    language, sex, new_patients, min_rating = filters
    query = Query(
        circle=circle,
        specialty=specialties[0] if len(specialties) == 1 else None,
        sort=parameters.sort,
        limit=parameters.limit,
        language=language,
        sex=sex,
        new_patients=new_patients,
        min_rating=min_rating,
        after=after,
        requires_opening=any(filter_key),
    )
    return SearchRequest(specialties, name, parameters.plan, query, openings_filter, key, shown)


def _parse_circle(near: str, radius_mi: float) -> Circle:
    if zip_code := _ZIP.fullmatch(near.strip()):
        known = find_place(zip_code[1])
        if known is None:
            raise unknown_value("near", "Unknown ZIP code.", find_nearest_zips(zip_code[1]))
        return Circle(known.lat, known.lon, radius_mi)
    lat, lon = _parse_position(near)
    return Circle(lat, lon, radius_mi)


def _parse_position(near: str) -> tuple[float, float]:
    remedy = "Give a ZIP code such as 10001, or latitude and longitude such as 40.7506,-73.9972."
    first, _, second = near.partition(",")
    try:
        lat, lon = float(first), float(second)
    except ValueError as error:
        raise invalid_parameter("near", "Not a ZIP code or a position.", remedy) from error
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise invalid_parameter("near", "The position is outside the valid range.", remedy)
    return lat, lon


def _find_specialties(text: str | None, reason: str | None) -> tuple[int, ...]:
    chosen = None if text is None else _find_specialty(text)
    if reason is None:
        return () if chosen is None else (chosen,)
    slugs = _find_visit_reason(reason).specialties
    ordinals = tuple(each.ordinal for slug in slugs if (each := find_specialty(slug)))
    if chosen is None:
        return ordinals
    if chosen not in ordinals:
        raise unknown_value("specialty", "Providers of this specialty don't see patients for this visit reason.", slugs)
    return (chosen,)


def _find_specialty(text: str) -> int:
    known = find_specialty(text) or find_specialty(text.lower()) or find_specialty_by_taxonomy(text.upper())
    if known is None:
        slugs = {name: each.slug for each in all_specialties() for name in (*each.synonyms, each.name, each.slug)}
        raise unknown_value("specialty", "Unknown specialty.", _find_nearest(text, slugs))
    return known.ordinal


def _find_visit_reason(text: str) -> VisitReason:
    known = find_visit_reason(text) or find_visit_reason(text.lower())
    if known is None:
        slugs = {name: each.slug for each in all_visit_reasons() for name in (each.name, each.slug)}
        raise unknown_value("visit_reason", "Unknown visit reason.", _find_nearest(text, slugs))
    return known


def _find_nearest(text: str, values: Mapping[str, str]) -> list[str]:
    """Return up to three of the values whose names, the keys of `values`, are most similar to the text."""
    return list(dict.fromkeys(values[name] for name in find_closest(text, values, n=5)))[:3]


def _find_language(text: str | None) -> int | None:
    if text is None:
        return None
    known = find_language(text.lower()) or find_language_by_name(text)
    if known is None:
        codes = {name: each.code for each in all_languages() for name in (each.name, each.code)}
        raise unknown_value("language", "Unknown language.", _find_nearest(text, codes))
    return known.ordinal


def _parse_name(text: str | None) -> TypedName:
    if text is None:
        return TypedName(())
    name = parse_name(text)
    if not name:
        raise invalid_parameter("name", "The name contains no word.", "Give the beginning of a name.")
    if len(name) > NAME_WORDS:
        raise invalid_parameter("name", "The name contains too many words.", f"Give at most {NAME_WORDS} words.")
    return name


def _decode_cursor(cursor: str | None, key: bytes) -> tuple[PagePosition | None, tuple[int, ...]]:
    if cursor is None:
        return None, ()
    try:
        after, shown = cursors.decode(cursor, key)
    except cursors.InvalidCursorError as error:
        remedy = (
            "Send `next` of the previous page with all other parameters but `limit` unchanged, or start a new search."
        )
        raise invalid_parameter("cursor", "Not a cursor of this search.", remedy) from error
    return after, tuple(shown)
