"""Languages that providers speak. The search's read model stores them as a bit set, indexed by `ordinal`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from millrace_reference.tables import read_rows
from millrace_reference.text import fold


@dataclass(frozen=True, slots=True)
class Language:
    """A language. `code` is that of ISO 639-1; `ordinal`, its bit in the read model, is below 32 and never changes."""

    ordinal: int
    code: str
    name: str


@cache
def all_languages() -> tuple[Language, ...]:
    """Return all languages, sorted by ordinal."""
    return tuple(
        Language(ordinal=int(row["ordinal"]), code=row["code"], name=row["name"]) for row in read_rows("languages.csv")
    )


@cache
def _by_code() -> Mapping[str, Language]:
    return {language.code: language for language in all_languages()}


# Other names in imported files; the variants of Chinese share the code `zh`.
_OTHER_NAMES = {
    "mandarin": "zh",
    "cantonese": "zh",
    "chinese mandarin": "zh",
    "chinese cantonese": "zh",
    "filipino": "tl",
    "farsi": "fa",
    "haitian": "ht",
    "creole": "ht",
    "french creole": "ht",
    "castilian": "es",
    "panjabi": "pa",
}


@cache
def _by_name() -> Mapping[str, Language]:
    named = {fold(language.name): language for language in all_languages()}
    return named | {name: _by_code()[code] for name, code in _OTHER_NAMES.items()}


def find_language(code: str) -> Language | None:
    """Find a language by its ISO 639-1 code, e.g. `es`; return None if it is unknown."""
    return _by_code().get(code)


def find_language_by_name(text: str) -> Language | None:
    """Find a language by name or code (`Spanish`, `MANDARIN`, `es`); return None if it is unknown."""
    folded = fold(text)
    return _by_name().get(folded) or _by_code().get(folded)
