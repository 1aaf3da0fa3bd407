"""Languages that providers speak, each with a bit of the read model's language column."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from millrace_reference.tables import rows
from millrace_reference.text import fold


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its ISO 639-1 code. `ordinal` is below 32 and never changes."""

    ordinal: int
    code: str
    name: str


@cache
def all_languages() -> tuple[Language, ...]:
    """All languages by ordinal."""
    return tuple(
        Language(ordinal=int(row["ordinal"]), code=row["code"], name=row["name"]) for row in rows("languages.csv")
    )


@cache
def _by_code() -> Mapping[str, Language]:
    return {language.code: language for language in all_languages()}


# Names that files use for languages of the list; the variants of Chinese share ISO 639-1's `zh`.
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


def language(code: str) -> Language | None:
    """The language with an ISO 639-1 code such as `es`."""
    return _by_code().get(code)


def language_named(text: str) -> Language | None:
    """The language that a file means by a name or a code: `Spanish`, `MANDARIN`, `es`."""
    folded = fold(text)
    return _by_name().get(folded) or _by_code().get(folded)
