"""Suggestions while somebody types."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import Final

import numpy as np

from millrace_platform.errors import Unavailable
from millrace_readmodel.cached_generation import Generation, GenerationMovedError
from millrace_readmodel.layout import card_key, name_key
from millrace_readmodel.near_cache import NearCache
from millrace_readmodel.tracking import UnavailableError
from millrace_reference.specialties import Specialty, all_specialties, specialty_by_ordinal
from millrace_reference.text import words
from millrace_reference.visit_reasons import VisitReason, all_visit_reasons
from millrace_search.engine.area import Ids
from millrace_search.index.cards import Person, RenderedCard, Town, gist
from millrace_search.index.kinds import Entries, Kinds
from millrace_search.index.lexicon import Lexicons
from millrace_search.index.plans import Plan, Plans
from millrace_search.index.vocabulary import Vocabulary
from millrace_search.suggest.catalog import Catalog

ATTEMPTS: Final = 3
MOST_WORDS: Final = 6
SHORTEST_NAME: Final = 2
"""Letters of the longest word, below which no provider is looked up."""
WORDS_PER_BEGINNING: Final = 48
"""Words of the vocabulary that a beginning stands for, those that it is nearest to; reading them takes a few ms."""
CANDIDATES: Final = 4
"""Cards that are read for each provider to be suggested: several may be of one provider."""


@dataclass(frozen=True, slots=True)
class SuggestedPerson:
    """A provider, by the first card that was found."""

    person: Person
    town: Town
    specialty: Specialty | None


@dataclass(frozen=True, slots=True)
class Suggestions:
    """At most the asked number of each, the best first. Providers by NPI, each once."""

    specialties: list[Specialty]
    visit_reasons: list[VisitReason]
    plans: list[Plan]
    providers: list[SuggestedPerson]


@cache
def specialties() -> Catalog[Specialty]:
    """Specialties that patients look for, by name and synonyms."""
    return Catalog(
        (each, [words(name) for name in (each.name, *each.synonyms)]) for each in all_specialties() if each.listed
    )


@cache
def visit_reasons() -> Catalog[VisitReason]:
    """Visit reasons by name."""
    return Catalog((each, [words(each.name)]) for each in all_visit_reasons())


class Suggester:
    """Finds what a beginning may stand for. Raises `Unavailable` where the read model can't be read."""

    def __init__(self, near: NearCache, kinds: Kinds, lexicons: Lexicons) -> None:
        self._near = near
        self._kinds = kinds
        self._lexicons = lexicons
        self._plans: tuple[Plans, Catalog[Plan]] | None = None

    async def suggest(self, text: str, limit: int) -> Suggestions:
        """For what was typed so far."""
        typed = words(text)[:MOST_WORDS]
        generation = self._near.current
        try:
            for _ in range(ATTEMPTS):
                try:
                    return await self._suggest(generation or await self._near.untracked(), typed, limit)
                except GenerationMovedError:
                    generation = None
        except UnavailableError as error:
            raise Unavailable("The read model can't be read now.") from error
        raise Unavailable("The read model is being switched.")

    async def _suggest(self, generation: Generation, typed: Sequence[str], limit: int) -> Suggestions:
        lexicon = await self._lexicons.of(generation)
        return Suggestions(
            specialties=specialties().find(typed, limit),
            visit_reasons=visit_reasons().find(typed, limit),
            plans=self._plan_catalog(lexicon.plans).find(typed, limit),
            providers=await self._providers(generation, lexicon.vocabulary, typed, limit),
        )

    def _plan_catalog(self, plans: Plans) -> Catalog[Plan]:
        if self._plans is None or self._plans[0] is not plans:
            self._plans = plans, Catalog((plan, [plan.words, words(plan.id)]) for plan in plans.all())
        return self._plans[1]

    async def _providers(
        self, generation: Generation, vocabulary: Vocabulary, typed: Sequence[str], limit: int
    ) -> list[SuggestedPerson]:
        if max(map(len, typed), default=0) < SHORTEST_NAME:
            return []
        rows = await self._rows(generation, [_exact(vocabulary, word) for word in typed])
        if not len(rows):
            rows = await self._rows(generation, [_forgiving(vocabulary, word) for word in typed])
        keys = [card_key(generation.number, row) for row in rows[: CANDIDATES * limit].tolist()]
        cards = await generation.load(self._kinds.cards, keys)
        found = [_suggested(cards[key]) for key in keys if cards[key].version]
        once = {each.person.npi: each for each in reversed(found)}
        return list(reversed(once.values()))[:limit]

    async def _rows(self, generation: Generation, meanings: Sequence[Sequence[str]]) -> Ids:
        """Ids of rows whose name has a word of each of `meanings`; those with the likeliest last word first."""
        keys = [[name_key(generation.number, word).encode() for word in each] for each in meanings]
        if not all(keys):
            return np.empty(0, dtype=np.uint64)
        found = await generation.load(self._kinds.names, chain.from_iterable(keys))
        *others, last = ([found[key] for key in each] for each in keys)
        ids = _ids(last)
        for other in others:
            ids = ids[np.isin(ids, _ids(other))]
        return ids


def _ids(entries: Iterable[Entries]) -> Ids:
    return np.concatenate([each["id"] for each in entries])


def _exact(vocabulary: Vocabulary, word: str) -> list[str]:
    return _likeliest(word, vocabulary.completions(word))


def _forgiving(vocabulary: Vocabulary, word: str) -> list[str]:
    return _exact(vocabulary, word) or _likeliest(word, vocabulary.near_completions(word))


def _likeliest(word: str, completions: Iterator[str]) -> list[str]:
    """The word itself, then those that complete it with the fewest letters."""
    some = dict.fromkeys(islice(completions, 20 * WORDS_PER_BEGINNING))
    return sorted(some, key=lambda each: (each != word, len(each)))[:WORDS_PER_BEGINNING]


def _suggested(card: RenderedCard) -> SuggestedPerson:
    return SuggestedPerson(*gist(card), specialty_by_ordinal(card.specialty))
