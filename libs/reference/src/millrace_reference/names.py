"""Find people by their names, however the parts of a name are written: apart, with a hyphen or joined.

A name is indexed by its words and by what its first, middle and last names are when they are written as one word, from
each of their words on: `van der Berg` → `van`, `der`, `berg`, `vanderberg`, `derberg`. A typed name matches if each of
its words begins a word of the index; adjacent typed words may also match joined (see `runs`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, takewhile
from typing import Final

from millrace_reference.credentials import is_credential
from millrace_reference.text import fold, split_words

LONGEST_RUN: Final = 4
"""Largest number of adjacent typed words that may be one word of a name."""
MIN_JOINED_PREFIX: Final = 4
"""Fewest letters of joined words that may begin a longer word; shorter ones begin too many other names."""
PARTICLES: Final = frozenset(
    {
        "da", "dal", "das", "de", "dei", "del", "della", "den", "der", "di", "do", "dos", "du", "el", "fitz",
        "la", "las", "le", "lo", "los", "mac", "mc", "saint", "san", "santa", "st", "ste", "ten", "ter", "van", "vande",
        "vanden", "vander", "von", "vom", "zu", "zum", "zur",
    }
)  # fmt: skip
"""Words before a surname that are often joined to it."""
_ELISIONS: Final = frozenset({"d", "l", "m", "n", "o", "t"})
"""Letters before an apostrophe, as in `O'Connell`."""
_TITLES: Final = frozenset(
    {
        "asst", "assoc", "doctor", "dr", "drs", "miss", "mr", "mrs", "ms", "mx", "prof", "professor", "rev", "reverend",
    }
)  # fmt: skip
_TITLES_AFTER_NAMES: Final = frozenset({"dr", "prof", "professor"})
"""Titles also written after a name; others in that place are surnames, such as `Doctor`."""
_SUFFIXES: Final = frozenset({"jr", "sr", "ii", "iii", "iv", "v", "vi", "esq"})
_ALSO_NAMES: Final = frozenset({"ba", "do", "lac", "ma", "med", "od", "ot", "pa", "v", "vi"})
"""Credentials and suffixes that are also names of people."""
_CACHED: Final = 16_384
_PARTS: Final = re.compile(r"[,;()\[\]]+")
_LEADING_TITLES: Final = re.compile(rf"\A\W*(?:(?:{'|'.join(sorted(_TITLES))})\b\W*)+(?=\w)", re.IGNORECASE)
_CREDENTIAL_SEPARATORS: Final = re.compile(r"[/&+]")
_EDGES: Final = re.compile(r"\A\W+|\W+\Z")


@dataclass(frozen=True, slots=True)
class TypedName:
    """A name as a person typed it, without titles, credentials and suffixes."""

    parts: tuple[tuple[str, ...], ...]
    """The words (without case and accents) between commas."""
    uncertain: frozenset[str] = frozenset()
    """Words that are either a credential or a name, such as `do`."""

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def without_uncertain(self) -> "TypedName":
        """Return the name if its uncertain words are credentials; it has at least one word."""
        certain = (tuple(word for word in part if word not in self.uncertain) for part in self.parts)
        return TypedName(tuple(part for part in certain if part))


@dataclass(frozen=True, slots=True)
class Run:
    """Adjacent typed words, joined: they match a word of a name that begins with `text`, or only `text` itself."""

    text: str
    is_prefix: bool


def parse_name(text: str) -> TypedName:
    """Parse a typed name such as `Prof. Lee`, `Lee, DO` or `van der Berg, Pia`; without a word, it has no parts."""
    parts = [part for part in _PARTS.split(text) if fold(part)]
    name_parts = [part for index, part in enumerate(parts) if not _is_dropped(part, is_first=not index)] or parts[:1]
    is_mixed_case = any(map(str.islower, text))
    named, uncertain = [], set[str]()
    for part in name_parts:
        tokens, doubtful = _drop_affixes(_LEADING_TITLES.sub("", part).split(), is_mixed_case)
        named.append(split_words(" ".join((*tokens, *doubtful))))
        uncertain.update(map(fold, doubtful))
    uncertain.difference_update(*(part[:1] for part in named[:1]))
    return TypedName(tuple(named), frozenset(uncertain))


def index_words(
    first_name: str, middle_name: str | None, last_name: str, suffix: str | None = None, credential: str | None = None
) -> tuple[str, ...]:
    """Return the distinct words by which a person is found, in lower case and without accents.

    They include the words of an unknown suffix or credential, so that the displayed name always finds its person.
    """
    words = dict.fromkeys((*_part_words(first_name), *_part_words(middle_name or ""), *_part_words(last_name)))
    if particles := _trailing_particles(middle_name or ""):
        words |= dict.fromkeys(_part_words(f"{particles} {last_name}"))
    if suffix or credential:
        words |= dict.fromkeys(_unknown_words(suffix, credential))
    return tuple(words)


@lru_cache(_CACHED)
def _part_words(text: str) -> tuple[str, ...]:
    """Return the words of a first, middle or last name, and the name as one word from each of its words on."""
    words = split_words(text)
    return words + tuple("".join(words[start:]) for start in range(len(words) - 1))


@lru_cache(_CACHED)
def _trailing_particles(middle_name: str) -> str:
    """Return the last words of a middle name that belong to the last name: `Maria van der` → `van der`."""
    words = split_words(middle_name)
    return " ".join(reversed(tuple(takewhile(PARTICLES.__contains__, reversed(words)))))


@lru_cache(_CACHED)
def _unknown_words(suffix: str | None, credential: str | None) -> tuple[str, ...]:
    """Return the words of suffix and credential that `parse_name` takes for words of a name."""
    name = parse_name(f"x {suffix or ''}, {credential or ''}".lower()).without_uncertain()
    return tuple(chain.from_iterable(name.parts))[1:]


def runs(words: Sequence[str], whole: frozenset[str] = frozenset()) -> dict[tuple[int, int], Run]:
    """Return each run of adjacent words that may be one word of a name, by start and end.

    A single word may be the beginning of a name's word, unless it is in `whole`. Joined words must be a whole word of
    the name (`Jo An` isn't `Joanna`), except after a particle (`Mac Art` is `MacArthur`).
    """
    found = {}
    for start in range(len(words)):
        for end in range(start + 1, min(start + LONGEST_RUN, len(words)) + 1):
            text = "".join(words[start:end])
            if end == start + 1:
                is_prefix = text not in whole
            else:
                is_prefix = words[start] in PARTICLES | _ELISIONS and len(text) >= MIN_JOINED_PREFIX
            found[start, end] = Run(text, is_prefix)
    return found


def _is_dropped(part: str, *, is_first: bool) -> bool:
    """Return whether a part between commas consists of titles and, after the first one, of credentials and suffixes."""
    tokens = part.split()
    if all(fold(token) in _TITLES for token in tokens if fold(token)):
        return True
    return not is_first and (is_credential(part) or all(_is_affix(token) for token in tokens if fold(token)))


def _drop_affixes(tokens: list[str], is_mixed_case: bool) -> tuple[list[str], list[str]]:
    """Return the words without credentials, suffixes and titles after them, and those of these that may be names."""
    doubtful: list[str] = []
    while len(tokens) > 1 and (_is_affix(tokens[-1]) or not fold(tokens[-1])):
        token = tokens.pop()
        is_marked = "." in token.strip(".") or (is_mixed_case and token.isupper() and len(token) > 1)
        if fold(token) in _ALSO_NAMES and not is_marked:
            doubtful.insert(0, token)
    if len(tokens) > 2 and is_credential("".join(tokens[-2:])) and all(each.endswith(".") for each in tokens[-2:]):
        del tokens[-2:]  # `M. D.`
    return tokens, doubtful


def _is_affix(token: str) -> bool:
    """Return whether a word is a title, a suffix such as `Jr.`, or credentials such as `MD/PhD`."""
    bare = _EDGES.sub("", token)
    if fold(bare) in _TITLES_AFTER_NAMES | _SUFFIXES:
        return True
    return all(map(is_credential, _CREDENTIAL_SEPARATORS.split(bare))) or is_credential(bare)
