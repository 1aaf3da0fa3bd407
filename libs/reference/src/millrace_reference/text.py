"""Compare text that people type: without case and accents, by words, approximately."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

APOSTROPHES: Final = "'’‘‛ʼʻʹʾʿˈ′＇`´"
"""Characters that people and registers write as an apostrophe."""
_REMOVED = re.compile(f"[{APOSTROPHES}.]")
_SEPARATORS = re.compile(r"[^\w]+|_+")
# Letters without a combining mark in Unicode that most people type as plain letters.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def fold(text: str) -> str:
    """Convert to lower case without accents: `O'Connell-Ruiz` → `oconnell ruiz`.

    Removes apostrophes, dots and invisible characters; replaces each run of other punctuation by one space.
    """
    text = _REMOVED.sub("", text)  # before the decomposition, which makes a space of `´`
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(c for c in decomposed if not _is_invisible(c)).casefold().translate(_PLAIN)
    return _SEPARATORS.sub(" ", text.lower()).strip()


def _is_invisible(character: str) -> bool:
    """Return whether it is an accent of the letter before it, or a format character such as a soft hyphen."""
    return unicodedata.combining(character) != 0 or unicodedata.category(character) == "Cf"


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a text in order, in lower case and without accents."""
    return tuple(fold(text).split())


def find_closest(text: str, choices: Iterable[str], n: int = 3) -> tuple[str, ...]:
    """Return up to `n` choices that are similar to the text, the most similar first."""
    folded: dict[str, str] = {}
    for choice in choices:
        folded.setdefault(fold(choice), choice)
    found = difflib.get_close_matches(fold(text), list(folded), n=n, cutoff=0.55)
    return tuple(folded[match] for match in found)
