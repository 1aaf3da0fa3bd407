"""Normalize addresses so that all spellings of one address have the same location id.

The words of an address are replaced by the standard abbreviations of USPS Publication 28 (suffixes in appendix C1, unit
designators in C2, directions in 233). The result serves only to compare addresses, not to show them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final, NamedTuple

from millrace_contracts.entities import derived_id
from millrace_reference.tables import read_rows
from millrace_reference.text import split_words

_ANY_UNIT: Final = "UNIT"
_SAME_UNITS: Final = frozenset({"STE", "NO"})
"""Designators that people exchange: `STE 4`, `UNIT 4`, `NO 4` and `# 4` are one unit."""
_MARKS: Final = str.maketrans({".": " ", "#": " UNIT "})
_ORDINAL: Final = re.compile(r"(\d+)(?:ST|ND|RD|TH)\Z")
_GLUED_UNIT: Final = re.compile(r"(STE|SUITE|UNIT|APT|BLDG|RM|FL)(\d\w*)\Z")
_PAIRS: Final[Mapping[tuple[str, str], str]] = {
    ("N", "E"): "NE", ("N", "W"): "NW", ("S", "E"): "SE", ("S", "W"): "SW",
    ("P", "O"): "PO", ("U", "S"): "US", ("US", "HWY"): "US", ("US", "RTE"): "US",
    ("STATE", "RD"): "SR", ("STATE", "RTE"): "SR", ("STATE", "HWY"): "SR",
    ("COUNTY", "RD"): "CR", ("COUNTY", "RTE"): "CR", ("COUNTY", "HWY"): "CR", ("CO", "RD"): "CR",
}  # fmt: skip
"""Two words that are written as one: directions, highways (Publication 28, appendix F), and initials with dots."""


class NormalizedAddress(NamedTuple):
    """Normalized parts of an address: all spellings of an address have the same parts."""

    street: str
    units: str
    city: str
    state: str
    zip5: str


def location_id(*, line1: str, line2: str | None, city: str, state: str, zip5: str) -> str:
    """Return the id of the location at an address (UUIDv5), the same for all its spellings."""
    return derived_id("location", *normalize_address(line1=line1, line2=line2, city=city, state=state, zip5=zip5))


def normalize_address(*, line1: str, line2: str | None, city: str, state: str, zip5: str) -> NormalizedAddress:
    """Normalize an address: `1600 West Colfax Avenue, Suite 4` → street `1600 W COLFAX AVE`, units `UNIT 4`.

    Units may be in either line. Words that aren't in the tables stay as they are.
    """
    street: list[str] = []
    units: list[str] = []
    for line in (line1, line2):
        if line:
            words, found = _split_units(_standard_words(line))
            street += words
            units += found
    return NormalizedAddress(
        " ".join(word.removesuffix("TH") if _ORDINAL.match(word) else word for word in street),
        " ".join(sorted(units)),
        _normalize_city(city),
        state.strip().upper(),
        zip5,
    )


@lru_cache(16_384)
def _normalize_city(city: str) -> str:
    return " ".join(_standard_words(city))


@cache
def _standard_forms() -> Mapping[str, str]:
    rows = read_rows("address_words.csv")
    return {spelling: row["standard"] for row in rows for spelling in row["spellings"].split("|") if spelling}


@cache
def _unit_designators() -> frozenset[str]:
    return frozenset(row["standard"] for row in read_rows("address_words.csv") if row["kind"] == "unit")


def _standard_words(text: str) -> list[str]:
    """Return the words in their standard forms; ordinals end with `TH`."""
    forms = _standard_forms()
    words: list[str] = []
    for word in _separate_units(split_words(text.translate(_MARKS))):
        ordinal = _ORDINAL.match(word) if word[0].isdigit() else None
        standard = f"{ordinal[1]}TH" if ordinal else forms.get(word, word)
        if words and (joined := _PAIRS.get((words[-1], standard))):
            words[-1] = joined
        else:
            words.append(standard)
    return words


def _separate_units(words: Iterable[str]) -> Iterator[str]:
    """Yield the words in upper case; a designator and its number written as one become two: `STE4` → `STE`, `4`."""
    for word in words:
        upper = word.upper()
        glued = None if upper.isalpha() or upper.isdigit() else _GLUED_UNIT.match(upper)
        if glued:
            yield from glued.groups()
        else:
            yield upper


def _split_units(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return (words of the street, units such as `UNIT 4A`). `2ND FLOOR` is the unit `FL 2`."""
    designators = _unit_designators()
    if designators.isdisjoint(words):
        return list(words), []
    street: list[str] = []
    units: list[str] = []
    left = list(reversed(words))
    while left:
        word = left.pop()
        if word not in designators:
            street.append(word)
            continue
        designator = _ANY_UNIT if word in _SAME_UNITS else word
        while left and left[-1] in {_ANY_UNIT, "NO"}:
            left.pop()  # `STE # 4`
        if designator == "FL" and street and _ORDINAL.match(street[-1]):
            units.append(f"FL {street.pop().removesuffix('TH')}")
            continue
        unit = f"{designator} {_pop_number(left)}".rstrip()
        # `MEDICAL BLDG 300 MAIN ST` has the house number 300: words follow it.
        is_unit = unit != designator and (not left or left[-1] in designators or left[-1][0].isdigit())
        (units if is_unit else street).append(unit)
    return street, units


def _pop_number(left: list[str]) -> str:
    """Remove the number of a unit from the end of `left` and return it, joined: `100`, `A` → `100A`.

    Return an empty text if there is none.
    """
    number = ""
    while left and _is_number(left[-1]) and (not number or left[-1].isalpha() != number[-1].isalpha()):
        number += left.pop().removesuffix("TH")
    return number


def _is_number(word: str) -> bool:
    """Return whether the word can be (a part of) the number of a unit: `4`, `4A`, `B`."""
    return len(word) == 1 or not word.isalpha()
