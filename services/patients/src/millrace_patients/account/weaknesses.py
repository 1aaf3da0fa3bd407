"""Reasons to reject a new password (NIST SP 800-63B, section 3.1.1.2): pure, except for reading the list once."""

import gzip
import re
from collections.abc import Iterator
from importlib import resources

from zxcvbn_rs_py import zxcvbn

from millrace_patients.account.model import normalize_password

DISTINCT_MINIMUM = 5
"""Minimum number of different characters in a password."""
SCORE_MINIMUM = 3
"""Lowest accepted score of zxcvbn, which means some 10^8 guesses."""
ESTIMATED_LENGTH = 100
"""Number of characters that are estimated, to bound the time; a password that is strong up to there is strong."""
SERVICE_NAME = "millrace"

_COMMON_PASSWORDS = "common_passwords.txt.gz"
_DECORATION = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def load_common_passwords() -> frozenset[str]:
    """Return the passwords of the list, in Unicode form NFKC and lower case.

    They are the most frequent ones of published breaches with at least six characters, from the list in Django's
    `CommonPasswordValidator` (Royce Williams, from haveibeenpwned.com), and well-known examples.
    """
    data = (resources.files(__package__) / _COMMON_PASSWORDS).read_bytes()
    return frozenset(gzip.decompress(data).decode().splitlines())


def find_weaknesses(password: str, email: str, common: frozenset[str]) -> Iterator[str]:
    """Yield the reasons to reject a password, as sentences for the user; none if it is acceptable.

    Takes milliseconds: don't call it on the event loop.
    """
    folded = normalize_password(password).casefold()
    if len(set(password)) < DISTINCT_MINIMUM:
        yield f"The password has fewer than {DISTINCT_MINIMUM} different characters."
    if email in folded or folded in email or email.partition("@")[0] == folded:
        yield "The password is too similar to the email address."
    if folded in common or _DECORATION.sub("", folded) in common:
        yield "The password is one of the most common ones, or one of them with digits or symbols added."
    elif _estimate(folded, [*re.split(r"[\W_]+", email), SERVICE_NAME]) < SCORE_MINIMUM:
        yield "The password is easy to guess: a common word, name, date, repetition or row of keys makes up most of it."


def _estimate(folded: str, known_words: list[str]) -> int:
    """Return zxcvbn's score from 0 to 4; `known_words` are easy to guess in this password."""
    return int(zxcvbn(folded[:ESTIMATED_LENGTH], known_words).score)
