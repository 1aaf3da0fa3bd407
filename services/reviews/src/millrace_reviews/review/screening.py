"""Automatic screening of review texts for contact details.

Finds links, email addresses and phone numbers by patterns that prefer false alarms to omissions, because a moderator
checks each finding.
"""

import re
import unicodedata
from enum import StrEnum
from typing import Final


class Finding(StrEnum):
    """Kind of contact detail that a text contains."""

    LINK = "link"
    EMAIL = "email"
    PHONE = "phone"


_DOT = r"(?:\.|\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?|\sdot\s)"
_AT = r"\s?(?:@|[\[({]\s?at\s?[\])}])\s?"
_DOMAINS = "com|net|org|info|biz|shop|online|site|io|co|us|me|ly|app|health|clinic"
# Bounded repetitions keep the time linear in the length of the text.
_PATTERNS: Final = {
    Finding.LINK: re.compile(
        rf"\b[a-z][a-z0-9+.-]{{1,9}}://|\bwww\.|[a-z0-9-]{{1,63}}{_DOT}(?:{_DOMAINS})\b", re.IGNORECASE
    ),
    Finding.EMAIL: re.compile(rf"[\w.+-]{{1,64}}{_AT}[\w-]{{1,63}}{_DOT}\w{{2}}|(?<!\w)@\w{{3}}", re.IGNORECASE),
    # Seven digits are a local number; the class contains common separators.
    Finding.PHONE: re.compile(r"(?:\d[\s().+/\\_*·–—-]{0,3}){7}"),
}


def screen(text: str | None) -> frozenset[Finding]:
    """Return the kinds of contact details in a text; empty if the text may be published."""
    if text is None:
        return frozenset()
    plain = _plain(text)
    return frozenset(finding for finding, pattern in _PATTERNS.items() if pattern.search(plain))


def _plain(text: str) -> str:
    """Convert wide letters and digits of other scripts to ASCII, and remove invisible characters (category Cf)."""
    visible = (letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in visible)
