"""Normalize the case of names and addresses from registers that use upper case only.

The functions change only text that is entirely in upper or in lower case; text in mixed case is assumed to be correct.
This makes them idempotent.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from millrace_reference.text import APOSTROPHES

_CACHED = 65_536
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]")
_PIECES = re.compile(r"([\s\-/&(),;]+)")
_APOSTROPHE = re.compile(f"([{APOSTROPHES}])")
_CITY_ELISION = re.compile(f"D[{APOSTROPHES}]")
_ORDINAL = re.compile(r"\d+(?:ST|ND|RD|TH)\Z")
_INITIALS = re.compile(r"(?:[A-Z]\.)+[A-Z]?\Z")
_ROMAN = frozenset({"II", "III", "IV", "VI", "VII", "VIII", "IX"})
_PARTICLES = frozenset(
    {
        "de", "del", "della", "der", "den", "di", "da", "das", "do", "dos", "du", "la", "las", "los", "le", "van",
        "von", "y",
    }
)  # fmt: skip
_MAC_WORDS = frozenset(
    {
        "MACARTHUR", "MACAULAY", "MACDONALD", "MACDOUGALL", "MACFARLANE", "MACGREGOR", "MACINTOSH", "MACINTYRE",
        "MACKENZIE", "MACLEAN", "MACLEOD", "MACMILLAN", "MACNEIL", "MACPHERSON",
    }
)  # fmt: skip
_DIRECTIONS = frozenset({"N", "S", "E", "W", "NE", "NW", "SE", "SW"})
_ADDRESS_UPPER = _DIRECTIONS | {"PO", "US", "FM", "RR", "HC", "PMB", "CR", "SR", "II", "III", "IV"}
_ORGANIZATION_UPPER = frozenset(
    {
        "LLC", "PLLC", "LLP", "LP", "PC", "PA", "PSC", "PLC", "APC", "SC", "MD", "DO", "DDS", "DMD", "DPM", "DC", "OD",
        "PHD", "RN", "PT", "OT", "NP", "ENT", "OB", "GYN", "OBGYN", "US", "USA", "UCLA", "UCSF", "NYU", "NYC", "VA",
        "II", "III", "IV", "MRI", "CT", "ER", "IVF", "ABA",
    }
)  # fmt: skip
_SMALL_WORDS = frozenset({"of", "and", "the", "for", "at", "in", "on", "by", "to", "a", "an", "with"})


def squeeze(text: str) -> str:
    """Normalize Unicode to NFC, and replace each run of white space and control characters by one space."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(_CONTROL.sub(" ", text).split())


def _is_single_case(text: str) -> bool:
    return text in (text.upper(), text.lower())


def _capitalize(word: str) -> str:
    """Capitalize a word: `O'CONNELL` → `O'Connell`, `MCDONALD` → `McDonald`, `MEN'S` → `Men's`."""
    upper = word.upper()
    if upper in _MAC_WORDS:
        return "Mac" + upper[3] + upper[4:].lower()
    if upper.startswith("MC") and len(upper) > 3 and upper[2].isalpha():
        return "Mc" + upper[2] + upper[3:].lower()
    head, *rest = _APOSTROPHE.split(upper, maxsplit=1)
    if rest and len(head) <= 2 and len(rest[1]) > 1:
        return head[:1] + head[1:].lower() + rest[0] + _capitalize(rest[1])
    return upper[:1] + upper[1:].lower()


def _recase(text: str, word: Callable[[str, int, int], str]) -> str:
    """Replace each word by the result of `word(word in upper case, its index, index of the last word)`."""
    squeezed = squeeze(text)
    if not _is_single_case(squeezed):
        return squeezed
    pieces = _PIECES.split(squeezed)
    last = len(pieces) // 2
    return "".join(
        piece if index % 2 or not piece else word(piece.upper(), index // 2, last) for index, piece in enumerate(pieces)
    )


def _person_word(word: str, index: int, last: int) -> str:
    if word.rstrip(".") in _ROMAN or _INITIALS.match(word):
        return word
    if word.lower() in _PARTICLES and index < last:
        return word.lower()
    return _capitalize(word)


def _address_word(word: str, index: int, _last: int) -> str:
    if word.rstrip(".") in _ADDRESS_UPPER:
        return word
    if _ORDINAL.match(word):
        return word.lower()
    if any(c.isdigit() for c in word):
        return word
    if index and word.lower() in _SMALL_WORDS - {"a"}:
        return word.lower()
    return _capitalize(word)


def _city_word(word: str, index: int, last: int) -> str:
    if index and index < last and word.lower() in _PARTICLES | _SMALL_WORDS:
        return word.lower()
    if index and _CITY_ELISION.match(word):
        return "d" + word[1] + _capitalize(word[2:])
    return _capitalize(word)


def _organization_word(word: str, index: int, _last: int) -> str:
    bare = word.strip(".'\"")
    if bare in _ORGANIZATION_UPPER or _INITIALS.match(word):
        return word
    if index and word.lower() in _SMALL_WORDS:
        return word.lower()
    if any(c.isdigit() for c in word):
        return word.lower() if _ORDINAL.match(word) else word
    return _capitalize(word)


@lru_cache(_CACHED)
def normalize_person_name(text: str) -> str:
    """Normalize a part of a person's name: `DE LA CRUZ` → `de la Cruz`, `MCDONALD III` → `McDonald III`."""
    return _recase(text, _person_word)


@lru_cache(_CACHED)
def normalize_address_line(text: str) -> str:
    """Normalize a street line: `635 W 165TH ST` → `635 W 165th St`."""
    return _recase(text, _address_word)


@lru_cache(_CACHED)
def normalize_city_name(text: str) -> str:
    """Normalize a city name: `FOND DU LAC` → `Fond du Lac`."""
    return _recase(text, _city_word)


@lru_cache(_CACHED)
def normalize_organization_name(text: str) -> str:
    """Normalize an organization name: `HUDSON LASER CENTER, P.C.` → `Hudson Laser Center, P.C.`."""
    return _recase(text, _organization_word)
