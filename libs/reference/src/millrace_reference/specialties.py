"""What kind of care a provider gives: specialties as patients know them, and the NUCC taxonomy behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from millrace_reference.tables import rows
from millrace_reference.text import fold


@dataclass(frozen=True, slots=True)
class Specialty:
    """A specialty. `ordinal` is below 65,536 and never changes; `taxonomies` are the NUCC codes it covers.

    `listed` marks those that patients look for; the others stand for the classifications that NUCC has besides
    (agencies, transport, suppliers). `synonyms` are other words that people use.
    """

    ordinal: int
    slug: str
    name: str
    taxonomies: tuple[str, ...]
    synonyms: tuple[str, ...] = ()
    listed: bool = True


@cache
def all_specialties() -> tuple[Specialty, ...]:
    """All specialties by ordinal; together they cover every NUCC code, each code once."""
    return tuple(
        Specialty(
            ordinal=int(row["ordinal"]),
            slug=row["slug"],
            name=row["name"],
            taxonomies=tuple(row["codes"].split()),
            synonyms=tuple(filter(None, row["synonyms"].split("|"))),
            listed=row["listed"] == "1",
        )
        for row in rows("specialties.csv")
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
        for row in rows("taxonomy.csv")
    }


def specialty(slug: str) -> Specialty | None:
    """The specialty with a slug such as `dermatology`."""
    return _by_slug().get(slug)


def specialty_of_taxonomy(code: str) -> Specialty | None:
    """The specialty of a NUCC code such as `207N00000X`; None for a code that NUCC does not have."""
    return _by_taxonomy().get(code)


def specialty_by_ordinal(ordinal: int) -> Specialty | None:
    """The specialty that a row of the read model names by number."""
    return _by_ordinal().get(ordinal)


def taxonomy_name(code: str) -> str | None:
    """NUCC's own name of a code, e.g. `Dermatology: Pediatric Dermatology`."""
    return _taxonomy_names().get(code)


@cache
def _codes_by_name() -> Mapping[str, str]:
    """Folded names to codes: NUCC's names win over those of specialties, these over synonyms."""
    named: dict[str, str] = {}
    for code, name in _taxonomy_names().items():
        named.setdefault(fold(name), code)
    for listed in (each for each in all_specialties() if each.listed):
        named.setdefault(fold(listed.name), listed.taxonomies[0])
    for listed in (each for each in all_specialties() if each.listed):
        for synonym in listed.synonyms:
            named.setdefault(fold(synonym), listed.taxonomies[0])
    return named


def taxonomy_named(text: str) -> str | None:
    """The NUCC code that a file means by a code or a name: `207N00000X`, `Dermatology`, `Oncologist`."""
    return text if text in _taxonomy_names() else _codes_by_name().get(fold(text))


def all_taxonomies() -> tuple[str, ...]:
    """Every NUCC code, sorted."""
    return tuple(sorted(_taxonomy_names()))
