"""Draw fictitious providers at random: names, languages, credentials."""

from dataclasses import dataclass
from functools import cache
from random import Random

from millrace_reference.demo.practices import Role
from millrace_reference.demo.sampling import WeightedChoice
from millrace_reference.languages import find_language
from millrace_reference.tables import read_rows

_ALSO_SPANISH = 0.07
_NO_ENGLISH = 0.01
_SUFFIXES = ("JR.", "JR", "III", "II")


@dataclass(frozen=True, slots=True)
class Origin:
    """Names of one cultural origin, and the languages (ISO 639-1 code, percent of speakers) that go with them."""

    last: tuple[str, ...]
    female: tuple[str, ...]
    male: tuple[str, ...]
    languages: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A fictitious provider, spelled as in NPPES. `languages` are names as in QHP files; dates are MM/DD/YYYY."""

    last: str
    first: str
    middle: str
    suffix: str
    sex: str
    taxonomy: str
    credential: str
    languages: tuple[str, ...]
    since: str
    updated: str


def draw_person(random: Random, role: Role) -> Person:
    """Return a random person with a taxonomy code and credential of this role."""
    origin = _origins().draw(random)
    female = random.random() * 100 < role.female
    given = origin.female if female else origin.male
    return Person(
        last=_last_name(random, origin),
        first=random.choice(given),
        middle=_middle_name(random, given),
        suffix=random.choice(_SUFFIXES) if not female and random.random() < 0.02 else "",
        sex="F" if female else "M",
        taxonomy=role.taxonomy,
        credential=random.choice(role.credentials),
        languages=_languages(random, origin),
        since=_date(random, 2005, 2024),
        updated=_date(random, 2021, 2025),
    )


@cache
def _origins() -> WeightedChoice[Origin]:
    return WeightedChoice(
        (
            Origin(
                last=tuple(row["last"].split("|")),
                female=tuple(row["female"].split("|")),
                male=tuple(row["male"].split("|")),
                languages=tuple(_parse_share(text) for text in row["languages"].split("|") if text),
            ),
            float(row["share"]),
        )
        for row in read_rows("names.csv", "millrace_reference.demo.data")
    )


def _parse_share(text: str) -> tuple[str, float]:
    code, _, percent = text.partition(":")
    return code, float(percent)


def _last_name(random: Random, origin: Origin) -> str:
    name = random.choice(origin.last)
    if random.random() < 0.04:
        return f"{name}-{random.choice(_origins().draw(random).last)}"
    return name


def _middle_name(random: Random, given: tuple[str, ...]) -> str:
    kind = random.random()
    if kind < 0.45:
        return ""
    name = random.choice(given)
    return name[0] if kind < 0.75 else name


def _languages(random: Random, origin: Origin) -> tuple[str, ...]:
    codes = [] if random.random() < _NO_ENGLISH else ["en"]
    codes += [code for code, percent in origin.languages if random.random() * 100 < percent]
    if random.random() < _ALSO_SPANISH and "es" not in codes:
        codes.append("es")
    return tuple(found.name for code in codes if (found := find_language(code)) is not None)


def _date(random: Random, first: int, last: int) -> str:
    return f"{random.randrange(1, 13):02}/{random.randrange(1, 29):02}/{random.randrange(first, last + 1)}"
