"""Parse the query string of a search."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from millrace_platform.errors import FieldError, Unprocessable
from millrace_readmodel.cards import SEXES
from millrace_reference.languages import all_languages, find_language, find_language_by_name
from millrace_reference.places import find_nearest_zips, find_place
from millrace_reference.specialties import all_specialties, find_specialty, find_specialty_by_taxonomy
from millrace_reference.text import find_closest, split_words
from millrace_reference.visit_reasons import all_visit_reasons, find_visit_reason
from millrace_search.engine import cursor as cursors
from millrace_search.engine.openings import OpeningsFilter
from millrace_search.engine.query import PagePosition, Query
from millrace_search.engine.ranking import Sort
from millrace_search.engine.sphere import Circle
from millrace_search.find.availability import parse_openings_filter

NAME_WORDS: Final = 6
_ZIP: Final = re.compile(r"(\d{5})(?:-\d{4})?", re.ASCII)
_NEW_PATIENTS: Final = {None: None, False: 1, True: 2}
Short = Annotated[str, Field(min_length=1, max_length=100)]


class SearchParameters(BaseModel):
    """Query parameters of a search."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    near: Annotated[
        Short,
        Field(description="Center of the search: a ZIP code, or `latitude,longitude` in degrees.", examples=["10001"]),
    ]
    specialty: Annotated[
        Short | None, Field(description="Slug of a specialty, or a NUCC taxonomy code.", examples=["dermatology"])
    ] = None
    visit_reason: Annotated[
        Short | None, Field(description="Slug of a visit reason.", examples=["annual-physical"])
    ] = None
    name: Annotated[
        Short | None,
        Field(
            description="Each word must be the beginning of a word in the provider's name; ignores case and accents."
        ),
    ] = None
    radius_mi: Annotated[float, Field(gt=0, le=100, description="Miles around `near`.")] = 10.0
    plan: Annotated[Short | None, Field(description="Id of an insurance plan that the provider must accept.")] = None
    language: Annotated[
        Short | None, Field(description="ISO 639-1 code or name of a language that the provider speaks.")
    ] = None
    sex: Annotated[Literal["F", "M", "X"] | None, Field(description="Sex of the provider.")] = None
    min_rating: Annotated[float | None, Field(ge=1, le=5, description="Lowest average rating.")] = None
    new_patients: Annotated[
        bool | None, Field(description="`true`: only providers who accept new patients; `false`: only those who don't.")
    ] = None
    available_from: Annotated[date | None, Field(description="Only with an opening on this local day or later.")] = None
    available_to: Annotated[date | None, Field(description="Only with an opening on this local day or earlier.")] = None
    available_within: Annotated[
        str | None,
        Field(max_length=10, description="Only with an opening within this many days, including today: `1d` to `60d`."),
    ] = None
    time_of_day: Annotated[
        Literal["morning", "afternoon", "evening"] | None,
        Field(description="Only with an opening before 12:00, from 12:00 to 17:00, or from 17:00 on."),
    ] = None
    mode: Annotated[Literal["in_person", "video"] | None, Field(description="Only with an opening in this mode.")] = (
        None
    )
    patient: Annotated[
        Literal["new", "existing"] | None,
        Field(description="Only with an opening that new or existing patients can book."),
    ] = None
    sort: Annotated[Sort, Field(description="Order of the results, best first.")] = "relevance"
    limit: Annotated[int, Field(ge=1, le=50, description="Maximum number of results per page.")] = 20
    cursor: Annotated[
        str | None,
        Field(
            max_length=4000,
            description="`next` of the previous page; all other parameters but `limit` must be unchanged.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """A search parsed from its query parameters."""

    specialties: tuple[int, ...]
    """Ordinals of the specialties; empty for a search by name in all specialties."""
    words: tuple[str, ...]
    """Words of the name without case and accents."""
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
        raise _invalid_parameter(
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
    key = msgspec.msgpack.encode((place, specialties, name, parameters.plan, filters, filter_key, parameters.sort))
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
            raise _unknown_value("near", "Unknown ZIP code.", find_nearest_zips(zip_code[1]))
        return Circle(known.lat, known.lon, radius_mi)
    lat, lon = _parse_position(near)
    return Circle(lat, lon, radius_mi)


def _parse_position(near: str) -> tuple[float, float]:
    remedy = "Give a ZIP code such as 10001, or latitude and longitude such as 40.7506,-73.9972."
    first, _, second = near.partition(",")
    try:
        lat, lon = float(first), float(second)
    except ValueError as error:
        raise _invalid_parameter("near", "Not a ZIP code or a position.", remedy) from error
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise _invalid_parameter("near", "The position is outside the valid range.", remedy)
    return lat, lon


def _find_specialties(text: str | None, reason: str | None) -> tuple[int, ...]:
    chosen = None if text is None else _find_specialty(text)
    if reason is None:
        return () if chosen is None else (chosen,)
    ordinals = _find_specialties_for(reason)
    if chosen is None:
        return ordinals
    if chosen not in ordinals:
        raise _unknown_value(
            "specialty",
            "Providers of this specialty don't see patients for this visit reason.",
            _find_slugs_for(reason),
        )
    return (chosen,)


def _find_specialty(text: str) -> int:
    known = find_specialty(text) or find_specialty(text.lower()) or find_specialty_by_taxonomy(text.upper())
    if known is None:
        raise _unknown_value("specialty", "Unknown specialty.", find_closest_specialties(text))
    return known.ordinal


def find_closest_specialties(text: str) -> tuple[str, ...]:
    """Return up to three slugs whose slug, name or synonym is most similar to `text`."""
    slugs = {name: each.slug for each in all_specialties() for name in (*each.synonyms, each.name, each.slug)}
    return tuple(dict.fromkeys(slugs[found] for found in find_closest(text, slugs, n=5)))[:3]


def _find_specialties_for(reason: str) -> tuple[int, ...]:
    found = (find_specialty(slug) for slug in _find_slugs_for(reason))
    return tuple(each.ordinal for each in found if each is not None)


def _find_slugs_for(reason: str) -> tuple[str, ...]:
    known = find_visit_reason(reason) or find_visit_reason(reason.lower())
    if known is None:
        slugs = {name: each.slug for each in all_visit_reasons() for name in (each.name, each.slug)}
        nearest = dict.fromkeys(slugs[found] for found in find_closest(reason, slugs, n=5))
        raise _unknown_value("visit_reason", "Unknown visit reason.", tuple(nearest)[:3])
    return known.specialties


def _find_language(text: str | None) -> int | None:
    if text is None:
        return None
    known = find_language(text.lower()) or find_language_by_name(text)
    if known is None:
        codes = {name: each.code for each in all_languages() for name in (each.name, each.code)}
        nearest = dict.fromkeys(codes[found] for found in find_closest(text, codes))
        raise _unknown_value("language", "Unknown language.", tuple(nearest))
    return known.ordinal


def _parse_name(name: str | None) -> tuple[str, ...]:
    if name is None:
        return ()
    found = tuple(dict.fromkeys(split_words(name)))
    if not found:
        raise _invalid_parameter("name", "The name contains no word.", "Give the beginning of a name.")
    if len(found) > NAME_WORDS:
        raise _invalid_parameter("name", "The name contains too many words.", f"Give at most {NAME_WORDS}.")
    return found


def _decode_cursor(cursor: str | None, key: bytes) -> tuple[PagePosition | None, tuple[int, ...]]:
    if cursor is None:
        return None, ()
    try:
        after, shown = cursors.decode(cursor, key)
    except cursors.InvalidCursorError as error:
        remedy = (
            "Send `next` of the previous page with all other parameters but `limit` unchanged, or start a new search."
        )
        raise _invalid_parameter("cursor", "Not a cursor of this search.", remedy) from error
    return after, tuple(shown)


def _unknown_value(field: str, detail: str, nearest: tuple[str, ...]) -> Unprocessable:
    remedy = f"Did you mean {' or '.join(nearest)}?" if nearest else "See the API description, or /v1/suggest."
    return _invalid_parameter(field, detail, remedy)


def _invalid_parameter(field: str, detail: str, remedy: str) -> Unprocessable:
    return Unprocessable(errors=[FieldError(field=field, detail=detail, remedy=remedy)])
