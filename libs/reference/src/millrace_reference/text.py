"""Text as people type it: folded for comparison, cut into words, matched with mistakes in it."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

_APOSTROPHES = re.compile(r"['’ʼ`´.]")
_SEPARATORS = re.compile(r"[^\w]+|_+")
# Letters that carry no combining mark in Unicode and are still written plainly by most people.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def fold(text: str) -> str:
    """Lower case without accents: `O'Connell-Ruiz` → `oconnell ruiz`.

    Apostrophes and dots vanish, a run of other punctuation is one space.
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold().translate(_PLAIN)
    return _SEPARATORS.sub(" ", _APOSTROPHES.sub("", text.lower())).strip()


def words(text: str) -> tuple[str, ...]:
    """The folded words of a text in order."""
    return tuple(fold(text).split())


def closest(text: str, choices: Iterable[str], n: int = 3) -> tuple[str, ...]:
    """Up to `n` of the choices that read most like the text, the best first; none when nothing is near."""
    folded: dict[str, str] = {}
    for choice in choices:
        folded.setdefault(fold(choice), choice)
    found = difflib.get_close_matches(fold(text), list(folded), n=n, cutoff=0.55)
    return tuple(folded[match] for match in found)
