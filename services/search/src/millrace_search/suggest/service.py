"""Suggest completions of typed text."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import chain, islice
from typing import Final

import numpy as np

from millrace_readmodel.cached_generation import CachedGeneration
from millrace_readmodel.layout import card_key, name_key
from millrace_readmodel.near_cache import NearCache
from millrace_reference.specialties import Specialty, all_specialties, find_specialty_by_ordinal
from millrace_reference.text import split_words
from millrace_reference.visit_reasons import VisitReason, all_visit_reasons
from millrace_search.engine.area import Ids
from millrace_search.index.cards import RenderedCard
from millrace_search.index.key_spaces import Entries, SearchKeySpaces
from millrace_search.index.lexicon import Lexicons
from millrace_search.index.plans import Plan, Plans
from millrace_search.index.served import read_generation
from millrace_search.index.vocabulary import Vocabulary
from millrace_search.suggest.catalog import Catalog
from millrace_search.suggest.model import ProviderMatch, Suggestions

MAX_WORDS: Final = 6
MIN_NAME_LETTERS: Final = 2
"""Providers are suggested only if the longest word has at least this many letters."""
WORDS_PER_PREFIX: Final = 48
"""Number of completions read for each prefix, the shortest first; reading them takes a few ms."""
CANDIDATES: Final = 4
"""Number of cards read for each provider to suggest, as several may belong to one provider."""


@cache
def specialty_catalog() -> Catalog[Specialty]:
    """Return the catalog of listed specialties, by name and synonyms."""
    return Catalog(
        (each, [split_words(name) for name in (each.name, *each.synonyms)]) for each in all_specialties() if each.listed
    )


@cache
def visit_reason_catalog() -> Catalog[VisitReason]:
    """Return the catalog of visit reasons, by name."""
    return Catalog((each, [split_words(each.name)]) for each in all_visit_reasons())


class SuggestionService:
    """Suggests completions from the read model. Raises `Unavailable` if it can't be read."""

    def __init__(self, near: NearCache, key_spaces: SearchKeySpaces, lexicons: Lexicons) -> None:
        self._near = near
        self._key_spaces = key_spaces
        self._lexicons = lexicons
        self._plans: tuple[Plans, Catalog[Plan]] | None = None

    async def suggest(self, text: str, limit: int) -> Suggestions:
        """Return at most `limit` suggestions of each type for the typed text."""
        prefixes = split_words(text)[:MAX_WORDS]
        return await read_generation(self._near, partial(self._suggest, prefixes=prefixes, limit=limit))

    async def _suggest(self, generation: CachedGeneration, prefixes: Sequence[str], limit: int) -> Suggestions:
        lexicon = await self._lexicons.get(generation)
        return Suggestions(
            specialties=specialty_catalog().find(prefixes, limit),
            visit_reasons=visit_reason_catalog().find(prefixes, limit),
            plans=self._plan_catalog(lexicon.plans).find(prefixes, limit),
            providers=await self._find_providers(generation, lexicon.vocabulary, prefixes, limit),
        )

    def _plan_catalog(self, plans: Plans) -> Catalog[Plan]:
        if self._plans is None or self._plans[0] is not plans:
            self._plans = plans, Catalog((plan, [plan.words, split_words(plan.id)]) for plan in plans.all())
        return self._plans[1]

    async def _find_providers(
        self, generation: CachedGeneration, vocabulary: Vocabulary, prefixes: Sequence[str], limit: int
    ) -> list[ProviderMatch]:
        if max(map(len, prefixes), default=0) < MIN_NAME_LETTERS:
            return []
        rows = await self._find_rows(generation, [_exact_completions(vocabulary, word) for word in prefixes])
        if not len(rows):
            rows = await self._find_rows(generation, [_fuzzy_completions(vocabulary, word) for word in prefixes])
        keys = [card_key(generation.number, row) for row in rows[: CANDIDATES * limit].tolist()]
        cards = await generation.load(self._key_spaces.cards, keys)
        found = [_to_match(cards[key]) for key in keys if cards[key].version]
        once = {each.npi: each for each in reversed(found)}
        return list(reversed(once.values()))[:limit]

    async def _find_rows(self, generation: CachedGeneration, word_groups: Sequence[Sequence[str]]) -> Ids:
        """Return ids of rows whose name contains a word of each group, in the order of the words in the last group."""
        keys = [[name_key(generation.number, word).encode() for word in each] for each in word_groups]
        if not all(keys):
            return np.empty(0, dtype=np.uint64)
        found = await generation.load(self._key_spaces.names, chain.from_iterable(keys))
        *others, last = ([found[key] for key in each] for each in keys)
        ids = _join_ids(last)
        for other in others:
            ids = ids[np.isin(ids, _join_ids(other))]
        return ids


def _join_ids(entries: Iterable[Entries]) -> Ids:
    return np.concatenate([each["id"] for each in entries])


def _exact_completions(vocabulary: Vocabulary, word: str) -> list[str]:
    return _likeliest(word, vocabulary.completions(word))


def _fuzzy_completions(vocabulary: Vocabulary, word: str) -> list[str]:
    return _exact_completions(vocabulary, word) or _likeliest(word, vocabulary.fuzzy_completions(word))


def _likeliest(word: str, completions: Iterator[str]) -> list[str]:
    """Return the word itself, then its shortest completions."""
    some = dict.fromkeys(islice(completions, 20 * WORDS_PER_PREFIX))
    return sorted(some, key=lambda each: (each != word, len(each)))[:WORDS_PER_PREFIX]


def _to_match(card: RenderedCard) -> ProviderMatch:
    result = card.decode()
    provider, address = result["provider"], result["location"]["address"]
    specialty = find_specialty_by_ordinal(card.specialty)
    return ProviderMatch(provider["npi"], provider["name"], specialty, address["city"], address["state"])
