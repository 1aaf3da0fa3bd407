"""Specialties under the names that patients know, and the NUCC taxonomy codes that they cover."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from millrace_reference.tables import read_rows
from millrace_reference.text import fold


@dataclass(frozen=True, slots=True)
class Specialty:
    """A specialty. `ordinal`, its number in the read model, is below 65,536 and fixed; `taxonomies` are NUCC codes.

    `listed` marks specialties that patients look for; the others cover NUCC's remaining classifications (agencies,
    transport, suppliers). `synonyms` are other common names.
    """

    ordinal: int
    slug: str
    name: str
    taxonomies: tuple[str, ...]
    synonyms: tuple[str, ...] = ()
    listed: bool = True


@cache
def all_specialties() -> tuple[Specialty, ...]:
    """Return all specialties, sorted by ordinal; together they cover each NUCC code exactly once."""
    return tuple(
        Specialty(
            ordinal=int(row["ordinal"]),
            slug=row["slug"],
            name=row["name"],
            taxonomies=tuple(row["codes"].split()),
            synonyms=tuple(filter(None, row["synonyms"].split("|"))),
            listed=row["listed"] == "1",
        )
        for row in read_rows("specialties.csv")
    )


@cache
def _by_slug() -> Mapping[str, Specialty]:
    return {specialty.slug: specialty for specialty in all_specialties()}


@cache
def _by_taxonomy() -> Mapping[str, Specialty]:
    return {code: specialty for specialty in all_specialties() for code in specialty.taxonomies}


@cache
def _by_ordinal() -> Mapping[int, Specialty]:
    return {specialty.ordinal: specialty for specialty in all_specialties()}


@cache
def _taxonomy_names() -> Mapping[str, str]:
    return {
        row["code"]: ": ".join(filter(None, (row["classification"], row["specialization"])))
        for row in read_rows("taxonomy.csv")
    }


def find_specialty(slug: str) -> Specialty | None:
    """Find a specialty by its slug, e.g. `dermatology`; return None if it is unknown."""
    return _by_slug().get(slug)


def find_specialty_by_taxonomy(code: str) -> Specialty | None:
    """Find the specialty of a NUCC code, e.g. `207N00000X`; None for an unknown code."""
    return _by_taxonomy().get(code)


def find_specialty_by_ordinal(ordinal: int) -> Specialty | None:
    """Find a specialty by its ordinal, the number that rows of the read model contain; return None if it is unknown."""
    return _by_ordinal().get(ordinal)


def taxonomy_name(code: str) -> str | None:
    """Return NUCC's name of a code, e.g. `Dermatology: Pediatric Dermatology`; None for an unknown code."""
    return _taxonomy_names().get(code)


@cache
def _codes_by_name() -> Mapping[str, str]:
    """Map folded names to NUCC codes; a NUCC name has priority over a specialty's, and this over a synonym."""
    named: dict[str, str] = {}
    for code, name in _taxonomy_names().items():
        named.setdefault(fold(name), code)
    for listed in (each for each in all_specialties() if each.listed):
        named.setdefault(fold(listed.name), listed.taxonomies[0])
    for listed in (each for each in all_specialties() if each.listed):
        for synonym in listed.synonyms:
            named.setdefault(fold(synonym), listed.taxonomies[0])
    return named


def find_taxonomy(text: str) -> str | None:
    """Return the NUCC code of a text: a code or a name (`Dermatology`, `Oncologist`); None if it is unknown."""
    return text if text in _taxonomy_names() else _codes_by_name().get(fold(text))


def all_taxonomies() -> tuple[str, ...]:
    """Return all NUCC codes, sorted."""
    return tuple(sorted(_taxonomy_names()))
