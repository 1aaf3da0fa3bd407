"""Normalize professional credentials: `M.D.` → `MD`, `PSY.D.` → `PsyD`."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache

from millrace_reference.casing import squeeze
from millrace_reference.tables import read_rows

_SEPARATORS = re.compile(r"\s*[,;/&|]\s*|\s+(?:AND|and|And)\s+")
_MARKS = re.compile(r"[.\s]+")
_ABSENT = frozenset({"", "NA", "NONE", "<UNAVAIL>", "UNAVAIL", "-", "--"})
_LONGEST_ABBREVIATION = 8


@cache
def _known_forms() -> Mapping[str, str]:
    return {row["form"].upper(): row["form"] for row in read_rows("credentials.csv")}


def _canonical(part: str) -> str | None:
    return _known_forms().get(_MARKS.sub("", part).upper())


def is_credential(text: str) -> bool:
    """Return whether the text is one known credential in any spelling, e.g. `M.D.` or `pa-c`."""
    return _canonical(text) is not None


def _split_forms(part: str) -> list[str]:
    """Return the credentials in a part of the text without separators; an unknown text counts as a credential."""
    known = _canonical(part)
    if known is not None:
        return [known]
    words = [_canonical(word) for word in part.split()]
    if len(words) > 1 and all(words):
        return [word for word in words if word is not None]
    bare = _MARKS.sub("", part)
    if bare.upper() in _ABSENT or not any(c.isalnum() for c in bare):
        return []
    return [bare.upper()] if len(bare) <= _LONGEST_ABBREVIATION and " " not in part else [squeeze(part).strip(".")]


@lru_cache(16_384)
def normalize_credentials(text: str) -> str | None:
    """Return the credentials in a text, e.g. `MD, PhD`, each once; None if there are none. Idempotent."""
    squeezed = squeeze(text)
    if squeezed.upper() in {"N/A", "N.A."}:
        return None
    whole = _canonical(squeezed)
    if whole is not None:
        return whole
    forms = [form for part in _SEPARATORS.split(squeezed) for form in _split_forms(part)]
    return ", ".join(dict.fromkeys(forms)) or None
