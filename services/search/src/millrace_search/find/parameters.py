"""The query string of a search, and what it means."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from millrace_platform.errors import FieldError, Unprocessable
from millrace_readmodel.cards import SEXES
from millrace_reference.languages import all_languages, language, language_named
from millrace_reference.places import nearest_zips, place
from millrace_reference.specialties import all_specialties, specialty, specialty_of_taxonomy
from millrace_reference.text import closest, words
from millrace_reference.visit_reasons import all_visit_reasons, visit_reason
from millrace_search.engine import cursor as cursors
from millrace_search.engine.openings import Wanted
from millrace_search.engine.query import After, Query
from millrace_search.engine.ranking import Sort
from millrace_search.engine.sphere import Circle
from millrace_search.find.availability import openings_wanted

NAME_WORDS: Final = 6
_ZIP: Final = re.compile(r"(\d{5})(?:-\d{4})?", re.ASCII)
_NEW_PATIENTS: Final = {None: None, False: 1, True: 2}
Short = Annotated[str, Field(min_length=1, max_length=100)]


class SearchParameters(BaseModel):
    """As they stand in the query string."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    near: Annotated[
        Short, Field(description="Where: a ZIP code, or `latitude,longitude` in degrees.", examples=["10001"])
    ]
    specialty: Annotated[
        Short | None, Field(description="Slug of a specialty, or a NUCC taxonomy code.", examples=["dermatology"])
    ] = None
    visit_reason: Annotated[
        Short | None, Field(description="Slug of a visit reason.", examples=["annual-physical"])
    ] = None
    name: Annotated[
        Short | None,
        Field(description="Each word must begin a word of the provider's name; case and accents don't matter."),
    ] = None
    radius_mi: Annotated[float, Field(gt=0, le=100, description="Miles around `near`.")] = 10.0
    plan: Annotated[Short | None, Field(description="Id of an insurance plan that must be accepted.")] = None
    language: Annotated[Short | None, Field(description="ISO 639-1 code, or name, of a language spoken.")] = None
    sex: Annotated[Literal["F", "M", "X"] | None, Field(description="Of the provider.")] = None
    min_rating: Annotated[float | None, Field(ge=1, le=5, description="Lowest average rating.")] = None
    new_patients: Annotated[
        bool | None, Field(description="`true`: only who accepts new patients; `false`: only who doesn't.")
    ] = None
    available_from: Annotated[
        date | None, Field(description="Only with an opening on this day or later, by the place's calendar.")
    ] = None
    available_to: Annotated[date | None, Field(description="Only with an opening on this day or earlier.")] = None
    available_within: Annotated[
        str | None,
        Field(max_length=10, description="Only with an opening in so many days, today counted: `1d` to `60d`."),
    ] = None
    time_of_day: Annotated[
        Literal["morning", "afternoon", "evening"] | None,
        Field(description="Only with an opening before noon, from noon to 17:00, or from 17:00 on."),
    ] = None
    mode: Annotated[Literal["in_person", "video"] | None, Field(description="Only with an opening of that kind.")] = (
        None
    )
    patient: Annotated[
        Literal["new", "existing"] | None, Field(description="Only with an opening that such a patient may book.")
    ] = None
    sort: Annotated[Sort, Field(description="Order of the results, the best first.")] = "relevance"
    limit: Annotated[int, Field(ge=1, le=50, description="Most results of a page.")] = 20
    cursor: Annotated[
        str | None, Field(max_length=4000, description="`next` of the page before, with all else unchanged.")
    ] = None


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What is looked for, in the read model's terms."""

    specialties: tuple[int, ...]
    """Ordinals; empty: any, when a name is given."""
    words: tuple[str, ...]
    """Of the name, folded."""
    plan: str | None
    query: Query
    """With neither plan nor name nor openings, which only the read model can tell."""
    wanted: Wanted
    """The openings that are asked for."""
    key: bytes
    """Identifies the search in its cursors."""
    shown: tuple[int, ...]
    """Who was shown on the pages before."""


def search_of(parameters: SearchParameters, now: float) -> Search:
    """`now` in unix seconds.

    Raises an `Unprocessable` problem that says which parameter has no meaning, and what the nearest would be.
    """
    circle = _circle(parameters.near, parameters.radius_mi)
    specialties = _specialties(parameters.specialty, parameters.visit_reason)
    name = _words(parameters.name)
    if not specialties and not name:
        raise _invalid("specialty", "Nothing is looked for.", "Add specialty, visit_reason or name.")
    filters = (
        _language(parameters.language),
        SEXES[parameters.sex] if parameters.sex else None,
        _NEW_PATIENTS[parameters.new_patients],
        None if parameters.min_rating is None else round(parameters.min_rating * 1000),
    )
    place = circle.lat, circle.lon, circle.radius_mi
    wanted, booking = openings_wanted(parameters, now)
    key = msgspec.msgpack.encode((place, specialties, name, parameters.plan, filters, booking, parameters.sort))
    after, shown = _after(parameters.cursor, key)
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
        booking=any(booking),
    )
    return Search(specialties, name, parameters.plan, query, wanted, key, shown)


def _circle(near: str, radius_mi: float) -> Circle:
    if zip_code := _ZIP.fullmatch(near.strip()):
        known = place(zip_code[1])
        if known is None:
            raise _unknown("near", "There is no such ZIP code.", nearest_zips(zip_code[1]))
        return Circle(known.lat, known.lon, radius_mi)
    lat, lon = _position(near)
    return Circle(lat, lon, radius_mi)


def _position(near: str) -> tuple[float, float]:
    remedy = "Give a ZIP code such as 10001, or latitude and longitude such as 40.7506,-73.9972."
    first, _, second = near.partition(",")
    try:
        lat, lon = float(first), float(second)
    except ValueError as error:
        raise _invalid("near", "Neither a ZIP code nor a position.", remedy) from error
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise _invalid("near", "There is no such position.", remedy)
    return lat, lon


def _specialties(named: str | None, reason: str | None) -> tuple[int, ...]:
    chosen = None if named is None else _specialty(named)
    if reason is None:
        return () if chosen is None else (chosen,)
    ordinals = _specialties_for(reason)
    if chosen is None:
        return ordinals
    if chosen not in ordinals:
        raise _unknown("specialty", "This specialty doesn't see patients for that reason.", _slugs_for(reason))
    return (chosen,)


def _specialty(named: str) -> int:
    known = specialty(named) or specialty(named.lower()) or specialty_of_taxonomy(named.upper())
    if known is None:
        raise _unknown("specialty", "There is no such specialty.", closest_specialties(named))
    return known.ordinal


def closest_specialties(named: str) -> tuple[str, ...]:
    """Slugs whose slug, name or synonym reads most like `named`."""
    slugs = {name: each.slug for each in all_specialties() for name in (*each.synonyms, each.name, each.slug)}
    return tuple(dict.fromkeys(slugs[found] for found in closest(named, slugs, n=5)))[:3]


def _specialties_for(reason: str) -> tuple[int, ...]:
    found = (specialty(slug) for slug in _slugs_for(reason))
    return tuple(each.ordinal for each in found if each is not None)


def _slugs_for(reason: str) -> tuple[str, ...]:
    known = visit_reason(reason) or visit_reason(reason.lower())
    if known is None:
        slugs = {name: each.slug for each in all_visit_reasons() for name in (each.name, each.slug)}
        nearest = dict.fromkeys(slugs[found] for found in closest(reason, slugs, n=5))
        raise _unknown("visit_reason", "There is no such visit reason.", tuple(nearest)[:3])
    return known.specialties


def _language(text: str | None) -> int | None:
    if text is None:
        return None
    known = language(text.lower()) or language_named(text)
    if known is None:
        codes = {name: each.code for each in all_languages() for name in (each.name, each.code)}
        nearest = dict.fromkeys(codes[found] for found in closest(text, codes))
        raise _unknown("language", "There is no such language.", tuple(nearest))
    return known.ordinal


def _words(name: str | None) -> tuple[str, ...]:
    if name is None:
        return ()
    found = tuple(dict.fromkeys(words(name)))
    if not found:
        raise _invalid("name", "There is no word in it.", "Give the beginning of a name.")
    if len(found) > NAME_WORDS:
        raise _invalid("name", "There are too many words in it.", f"Give at most {NAME_WORDS}.")
    return found


def _after(cursor: str | None, key: bytes) -> tuple[After | None, tuple[int, ...]]:
    if cursor is None:
        return None, ()
    try:
        after, shown = cursors.decode(cursor, key)
    except cursors.InvalidCursorError as error:
        remedy = "Send `next` of the page before, with all other parameters but `limit` unchanged; or start anew."
        raise _invalid("cursor", "Not a cursor of this search.", remedy) from error
    return after, tuple(shown)


def _unknown(field: str, detail: str, nearest: tuple[str, ...]) -> Unprocessable:
    remedy = f"Did you mean {' or '.join(nearest)}?" if nearest else "See the API description, or /v1/suggest."
    return _invalid(field, detail, remedy)


def _invalid(field: str, detail: str, remedy: str) -> Unprocessable:
    return Unprocessable(errors=[FieldError(field=field, detail=detail, remedy=remedy)])
