"""Completing words, also mistyped ones."""

from hypothesis import given
from hypothesis import strategies as st

from millrace_search.index.vocabulary import MIN_TYPO_LENGTH, Vocabulary, one_typo_variants
from millrace_search.suggest.catalog import Catalog

WORDS = st.text("abc", min_size=1, max_size=6)


def vocabulary(words: set[str]) -> Vocabulary:
    made = Vocabulary()
    for word in words:
        made.add(word)
    return made


def distance(one: str, other: str) -> int:
    """Damerau-Levenshtein (optimal string alignment)."""
    table = [[i + j if not i * j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            cost = int(one[i - 1] != other[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + cost)
            if min(i, j) > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@given(st.sets(WORDS), WORDS)
def test_completions_are_the_words_with_the_prefix(words: set[str], prefix: str) -> None:
    made = vocabulary(words)
    assert list(made.completions(prefix)) == sorted(word for word in words if word.startswith(prefix))
    assert (prefix in made) == (prefix in words)
    assert len(made) == len(words)


@given(st.sets(WORDS), WORDS)
def test_near_completions_are_those_with_a_prefix_one_slip_away(words: set[str], typed: str) -> None:
    near = set(vocabulary(words).fuzzy_completions(typed))
    if len(typed) < MIN_TYPO_LENGTH:
        assert not near
        return
    for word in words:
        prefixes = [word[:n] for n in range(len(word) + 1)]
        assert (word in near) == any(distance(typed, prefix) == 1 for prefix in prefixes) or word.startswith(typed)


@given(WORDS)
def test_slips_are_one_step_away(word: str) -> None:
    assert all(distance(word, slip) <= 1 for slip in one_typo_variants(word))


@given(st.sets(WORDS), st.sets(WORDS), st.sets(WORDS))
def test_words_come_and_go(start: set[str], added: set[str], removed: set[str]) -> None:
    made = vocabulary(start)
    for word in added:
        made.add(word)
    for word in removed:
        made.discard(word)
    assert set(made.words()) == (start | added) - removed
    assert len(made) == len((start | added) - removed)


THINGS = Catalog(
    (name, [name.split()])
    for name in ("dermatology", "pediatric dermatology", "dermatopathology", "urology", "internal medicine")
)


def test_things_are_found_by_the_beginnings_of_their_words() -> None:
    assert THINGS.find(("derm",), 9) == ["dermatology", "dermatopathology", "pediatric dermatology"]
    assert THINGS.find(("med", "int"), 9) == ["internal medicine"]
    assert THINGS.find(("derm",), 1) == ["dermatology"]
    assert THINGS.find(("cardio",), 9) == []
    assert THINGS.find((), 9) == []


def test_things_are_found_in_spite_of_a_slip() -> None:
    for typed in ("dremat", "demat", "dermmat", "dermst"):
        assert THINGS.find((typed,), 1) == ["dermatology"], typed
    assert THINGS.find(("dretma",), 9) == []
