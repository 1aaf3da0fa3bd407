"""Automatic screening of review texts for contact details.

Finds links, email addresses and phone numbers by patterns that prefer false alarms to omissions, because a moderator
checks each finding.
"""

import re
import unicodedata
from enum import StrEnum
from typing import Final

from millrace_reviews.review.domains import COUNTRIES, GENERIC, WORDS


class Finding(StrEnum):
    """Kind of contact detail that a text contains."""

    LINK = "link"
    EMAIL = "email"
    PHONE = "phone"


_OTHER_DOTS: Final = dict.fromkeys(map(ord, "。۔։।܁܂።᙮᠃᠉⳹⸼꓿꘎𖫵·•‧∙⋅・ꞏ"), ".")
"""Full stops of other scripts, and dots that look like one. Wide and small forms are already converted by NFKC."""

_WORD_DOT = r"\s{0,3}[\[({<*_~-]{1,2}\s?(?:\.|d[o0]t|punto|punkt)\s?[\])}>*_~-]{1,2}\s{0,3}|\s{1,3}d[o0]t\s{1,3}"
_DOT = rf"(?:\.|{_WORD_DOT})"
_SPACED_DOT = rf"(?:\s{{0,3}}\.\s{{0,3}}|{_WORD_DOT})"
_AT = r"\s?(?:@|[\[({]\s?at\s?[\])}])\s?"
_TITLES = "".join(rf"(?<!\b{title})" for title in ("dr", "mr", "ms", "mrs", "st"))
"""Not behind a title, whose full stop a name follows: "Dr.Li"."""
_ENDS_LINK = r"(?![\w-])"
# Bounded repetitions keep the time linear in the length of the text.
_LINKS = (
    r"\b[a-z][a-z0-9+.-]{1,9}://",
    rf"\bwww{_SPACED_DOT}\w",
    rf"[\w-]{_SPACED_DOT}(?:com|net|org|biz|xyz){_ENDS_LINK}",
    rf"[\w-]{_DOT}(?:{GENERIC}|xn--[a-z0-9-]{{1,59}}){_ENDS_LINK}",
    rf"[\w-]{_TITLES}{_DOT}(?:{COUNTRIES}){_ENDS_LINK}",
    rf"[\w-]\.(?-i:{WORDS}){_ENDS_LINK}",
    rf"[a-z0-9-]{{2}}dot(?:com|net|org|biz){_ENDS_LINK}",
)
_PATTERNS: Final = {
    Finding.LINK: re.compile("|".join(_LINKS), re.IGNORECASE),
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
    """Convert wide letters, and digits and dots of other scripts, to ASCII; remove invisible characters (Cf)."""
    visible = (letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in visible).translate(_OTHER_DOTS)
