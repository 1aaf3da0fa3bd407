"""Suggest completions of typed text."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import islice
from typing import Final

import numpy as np

from millrace_readmodel.cached_generation import CachedGeneration
from millrace_readmodel.layout import card_key
from millrace_readmodel.near_cache import NearCache
from millrace_reference.names import Run, TypedName, parse_name, runs
from millrace_reference.specialties import Specialty, all_specialties, find_specialty_by_ordinal
from millrace_reference.text import split_words
from millrace_reference.visit_reasons import VisitReason, all_visit_reasons
from millrace_search.engine.area import Ids
from millrace_search.index.cards import RenderedCard
from millrace_search.index.key_spaces import SearchKeySpaces
from millrace_search.index.lexicon import Lexicons
from millrace_search.index.names import RunsOfPart, match_name
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
        return await read_generation(self._near, partial(self._suggest, text=text, limit=limit))

    async def _suggest(self, generation: CachedGeneration, text: str, limit: int) -> Suggestions:
        lexicon = await self._lexicons.get(generation)
        prefixes = split_words(text)[:MAX_WORDS]
        return Suggestions(
            specialties=specialty_catalog().find(prefixes, limit),
            visit_reasons=visit_reason_catalog().find(prefixes, limit),
            plans=self._plan_catalog(lexicon.plans).find(prefixes, limit),
            providers=await self._find_providers(generation, lexicon.vocabulary, parse_name(text), limit),
        )

    def _plan_catalog(self, plans: Plans) -> Catalog[Plan]:
        if self._plans is None or self._plans[0] is not plans:
            self._plans = plans, Catalog((plan, [plan.words, split_words(plan.id)]) for plan in plans.all())
        return self._plans[1]

    async def _find_providers(
        self, generation: CachedGeneration, vocabulary: Vocabulary, name: TypedName, limit: int
    ) -> list[ProviderMatch]:
        """Return providers with all words of the name, then those without the words that may be credentials."""
        found = await self._find_named(generation, vocabulary, name, limit)
        if name.uncertain:
            found += await self._find_named(generation, vocabulary, name.without_uncertain(), limit)
        once: dict[str, ProviderMatch] = {}
        for each in found:
            once.setdefault(each.npi, each)
        return list(once.values())[:limit]

    async def _find_named(
        self, generation: CachedGeneration, vocabulary: Vocabulary, name: TypedName, limit: int
    ) -> list[ProviderMatch]:
        if max((len(word) for part in name.parts for word in part), default=0) < MIN_NAME_LETTERS:
            return []
        parts = [runs(part[:MAX_WORDS]) for part in name.parts[:MAX_WORDS]]
        rows = await self._find_rows(generation, parts, partial(_exact_completions, vocabulary))
        if not len(rows):
            rows = await self._find_rows(generation, parts, partial(_fuzzy_completions, vocabulary))
        keys = [card_key(generation.number, row) for row in rows[: CANDIDATES * limit].tolist()]
        cards = await generation.load(self._key_spaces.cards, keys)
        return [_to_match(cards[key]) for key in keys if cards[key].version]

    async def _find_rows(
        self, generation: CachedGeneration, parts: Sequence[RunsOfPart], complete: Callable[[Run], list[str]]
    ) -> Ids:
        """Return ids of rows whose name matches each part, in the order of the completions of the last run."""
        words = {run: complete(run) for part in parts for run in part.values()}
        matches = await match_name(generation, self._key_spaces, parts, words)
        return np.empty(0, dtype=np.uint64) if matches is None else matches["id"]


def _exact_completions(vocabulary: Vocabulary, run: Run) -> list[str]:
    return _likeliest(run.text, vocabulary.completions(run.text)) if run.is_prefix else [run.text]


def _fuzzy_completions(vocabulary: Vocabulary, run: Run) -> list[str]:
    exact = _exact_completions(vocabulary, run)
    return exact if exact or not run.is_prefix else _likeliest(run.text, vocabulary.fuzzy_completions(run.text))


def _likeliest(word: str, completions: Iterator[str]) -> list[str]:
    """Return the word itself, then its shortest completions."""
    some = dict.fromkeys(islice(completions, 20 * WORDS_PER_PREFIX))
    return sorted(some, key=lambda each: (each != word, len(each)))[:WORDS_PER_PREFIX]


def _to_match(card: RenderedCard) -> ProviderMatch:
    result = card.decode()
    provider, address = result["provider"], result["location"]["address"]
    specialty = find_specialty_by_ordinal(card.specialty)
    return ProviderMatch(provider["npi"], provider["name"], specialty, address["city"], address["state"])
