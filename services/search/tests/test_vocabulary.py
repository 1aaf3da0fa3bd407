"""Completions of words, including mistyped ones."""

from hypothesis import given
from hypothesis import strategies as st

from millrace_search.index.vocabulary import MIN_TYPO_LENGTH, Vocabulary, one_typo_variants
from millrace_search.suggest.catalog import Catalog

WORDS = st.text("abc", min_size=1, max_size=6)


def make_vocabulary(words: set[str]) -> Vocabulary:
    words_in_vocabulary = Vocabulary()
    for word in words:
        words_in_vocabulary.add(word)
    return words_in_vocabulary


def distance(one: str, other: str) -> int:
    """Return the Damerau-Levenshtein distance (optimal string alignment)."""
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
    words_in_vocabulary = make_vocabulary(words)
    assert list(words_in_vocabulary.completions(prefix)) == sorted(word for word in words if word.startswith(prefix))
    assert (prefix in words_in_vocabulary) == (prefix in words)
    assert len(words_in_vocabulary) == len(words)


@given(st.sets(WORDS), WORDS)
def test_fuzzy_completions_have_a_prefix_with_one_typo(words: set[str], typed: str) -> None:
    near = set(make_vocabulary(words).fuzzy_completions(typed))
    if len(typed) < MIN_TYPO_LENGTH:
        assert not near
        return
    for word in words:
        prefixes = [word[:n] for n in range(len(word) + 1)]
        assert (word in near) == any(distance(typed, prefix) == 1 for prefix in prefixes) or word.startswith(typed)


@given(WORDS)
def test_typo_variants_are_one_edit_away(word: str) -> None:
    assert all(distance(word, slip) <= 1 for slip in one_typo_variants(word))


@given(st.sets(WORDS), st.sets(WORDS), st.sets(WORDS))
def test_words_are_added_and_removed(start: set[str], added: set[str], removed: set[str]) -> None:
    words_in_vocabulary = make_vocabulary(start)
    for word in added:
        words_in_vocabulary.add(word)
    for word in removed:
        words_in_vocabulary.discard(word)
    assert set(words_in_vocabulary.words()) == (start | added) - removed
    assert len(words_in_vocabulary) == len((start | added) - removed)


CATALOG = Catalog(
    (name, [name.split()])
    for name in ("dermatology", "pediatric dermatology", "dermatopathology", "urology", "internal medicine")
)


def test_items_are_found_by_prefixes() -> None:
    assert CATALOG.find(("derm",), 9) == ["dermatology", "dermatopathology", "pediatric dermatology"]
    assert CATALOG.find(("med", "int"), 9) == ["internal medicine"]
    assert CATALOG.find(("derm",), 1) == ["dermatology"]
    assert CATALOG.find(("cardio",), 9) == []
    assert CATALOG.find((), 9) == []


def test_items_are_found_despite_a_typo() -> None:
    for typed in ("dremat", "demat", "dermmat", "dermst"):
        assert CATALOG.find((typed,), 1) == ["dermatology"], typed
    assert CATALOG.find(("dretma",), 9) == []
