"""The first step of moderation, without people: may this text be shown at once?

It looks for what has no place in a review and that a pattern can find: ways to reach or to name somebody. It errs on
the side of holding a text back: a moderator looks at it then.
"""

import re
import unicodedata
from enum import StrEnum
from typing import Final


class Finding(StrEnum):
    """Why a text waits for a moderator."""

    LINK = "link"
    EMAIL = "email"
    PHONE = "phone"


_DOT = r"(?:\.|\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?|\sdot\s)"
_AT = r"\s?(?:@|[\[({]\s?at\s?[\])}])\s?"
_DOMAINS = "com|net|org|info|biz|shop|online|site|io|co|us|me|ly|app|health|clinic"
# Every repetition is bounded, so that the time a text takes grows with its length and no faster.
_PATTERNS: Final = {
    Finding.LINK: re.compile(
        rf"\b[a-z][a-z0-9+.-]{{1,9}}://|\bwww\.|[a-z0-9-]{{1,63}}{_DOT}(?:{_DOMAINS})\b", re.IGNORECASE
    ),
    Finding.EMAIL: re.compile(rf"[\w.+-]{{1,64}}{_AT}[\w-]{{1,63}}{_DOT}\w{{2}}|(?<!\w)@\w{{3}}", re.IGNORECASE),
    # Seven digits are a local number; what stands between them is what people put there.
    Finding.PHONE: re.compile(r"(?:\d[\s().+/\\_*·–—-]{0,3}){7}"),
}


def screen(text: str | None) -> frozenset[Finding]:
    """What the text is held back for; empty where it may be shown."""
    if text is None:
        return frozenset()
    plain = _plain(text)
    return frozenset(finding for finding, pattern in _PATTERNS.items() if pattern.search(plain))


def _plain(text: str) -> str:
    """Wide letters and digits of other scripts as ASCII ones, without what can't be seen (Unicode's category Cf)."""
    visible = (letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in visible)
