"""Names are found however they are written, and no title or credential hides their bearer."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_contracts.entities import Provider
from millrace_reference.names import Run, TypedName, index_words, parse_name, runs
from millrace_reference.npi import npi_check_digit
from millrace_reference.refine import refine


def matches(typed: TypedName, words: tuple[str, ...]) -> bool:
    """Return whether the words of a name match each part of a typed name: a slow, simple oracle."""
    return all(_matches_part(part, typed.uncertain, words) for part in typed.parts)


def _matches_part(part: tuple[str, ...], whole: frozenset[str], words: tuple[str, ...]) -> bool:
    reached = {0}
    for (start, end), run in sorted(runs(part, whole).items()):
        if start in reached and _matches_run(run, words):
            reached.add(end)
    return len(part) in reached


def _matches_run(run: Run, words: tuple[str, ...]) -> bool:
    return any(word.startswith(run.text) if run.is_prefix else word == run.text for word in words)


def finds(typed: str, first_name: str, last_name: str, middle_name: str = "") -> bool:
    return matches(parse_name(typed), index_words(first_name, middle_name, last_name))


SPELLINGS = [
    ("D'Angelo", "D’Angelo", "D‘ANGELO", "D`Angelo", "D´Angelo", "D Angelo", "D' Angelo", "D-Angelo", "dangelo"),
    ("O'Connell", "O’Connell", "O Connell", "OConnell"),
    ("Mac Arthur", "MacArthur", "Mac-Arthur", "MACARTHUR"),
    ("Mc Donald", "McDonald"),
    ("van der Berg", "Van Der Berg", "Vander Berg", "van derBerg", "Vanderberg", "van-der-berg"),
    ("von Trapp", "Vontrapp"),
    ("de la Cruz", "De La Cruz", "Dela Cruz", "de Lacruz", "DELACRUZ"),
    ("di Stefano", "DiStefano"),
    ("St. John", "St John", "St.John", "StJohn"),
    ("Lee-Chan", "Lee Chan", "Lee‐Chan", "Lee–Chan", "LeeChan"),
    ("Ben-Ari", "Ben Ari", "BenAri"),
    ("García Márquez", "Garcia-Marquez", "GarciaMarquez"),
    ("van der Berg-Smith", "Vanderberg Smith", "VanderbergSmith"),
    ("Smith van der Berg", "Smith-Vanderberg"),
]  # fmt: skip
PAIRS = [pair for spellings in SPELLINGS for pair in permutations(spellings, 2)]


@pytest.mark.parametrize(("typed", "last_name"), PAIRS)
def test_spellings_of_a_last_name_find_each_other(typed: str, last_name: str) -> None:
    assert finds(typed, "Pia", last_name)
    assert finds(f"Pia {typed}", "Pia", last_name)
    assert finds(f"{typed} Pia", "Pia", last_name)
    assert finds(f"{typed}, Pia", "Pia", last_name)
    assert not finds(f"{typed} Mia", "Pia", last_name)


def test_spellings_of_a_first_name_find_each_other() -> None:
    for typed, first_name in permutations(("Mary Ann", "Mary-Ann", "Maryann", "MARY  ANN"), 2):
        assert finds(f"{typed} Lee", first_name, "Lee")
    assert finds("JP Smith", "J. P.", "Smith")


def test_particles_in_the_middle_name_belong_to_the_last_name() -> None:
    assert finds("Vanderberg", "Pia", "Berg", middle_name="Van Der")
    assert finds("dela Cruz", "Pia", "Cruz", middle_name="Maria de la")
    assert not finds("Mberg", "Pia", "Berg", middle_name="M")


@pytest.mark.parametrize("typed", ["van", "vander", "vanderb", "van der b", "van derb", "p vanderb", "berg", "Berg, P"])
def test_beginnings_of_words_match(typed: str) -> None:
    assert finds(typed, "Pia", "van der Berg")


@pytest.mark.parametrize("typed", ["d ange", "d'ang", "dang"])
def test_beginning_of_a_joined_name_matches(typed: str) -> None:
    assert finds(typed, "Lia", "Dangelo")


@pytest.mark.parametrize(
    ("typed", "first_name", "last_name"),
    [
        ("van", "Ivan", "Lee"),
        ("van berg", "Pia", "Vanderberg"),
        ("Jo An", "Joanna", "Lee"),
        ("D An", "Daniel", "Lee"),
        ("Al Len", "Allene", "Ray"),
        ("Lee Chan", "Chandra", "Ray"),
        ("Vanberg", "Pia", "van der Berg"),
        ("Lee Pia", "Leepia", "Ray-Lee"),
    ],
)
def test_other_names_do_not_match(typed: str, first_name: str, last_name: str) -> None:
    assert finds(typed, first_name, last_name) is (typed == "Lee Pia")


@pytest.mark.parametrize(
    "typed",
    [
        "Lee", "Prof. Lee", "prof lee", "Dr Lee", "DR. LEE", "Dr.Lee", "Prof. Dr. Lee", "Mrs. Lee", "Assoc. Prof. Lee",
        "Lee, DO", "Lee, D.O.", "lee, do", "Lee DO", "Lee D.O.", "Lee, MD, PhD", "Lee MD PhD", "lee md", "Lee M. D.",
        "Lee, M. D.", "Lee (MD)", "Lee MD/PhD", "Lee, PA-C", "lee pa-c", "Lee, Jr.", "Lee III", "Dr. Lee, MD",
        "Lee, Dr.", "Lee, Jr., MD", "Prof., Lee", "Lee, LCSW-R", "Lee, MA",
    ],
)  # fmt: skip
def test_titles_credentials_and_suffixes_are_left_out(typed: str) -> None:
    assert parse_name(typed) == TypedName((("lee",),))


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("Do", (("do",),)),
        ("Do, MD", (("do",),)),
        ("Do, Anna", (("do",), ("anna",))),
        ("Ma Lee", (("ma", "lee"),)),
        ("dr", (("dr",),)),
        ("Drew Lee", (("drew", "lee"),)),
        ("Rita Doctor", (("rita", "doctor"),)),
        ("Rita Doctor Lee", (("rita", "doctor", "lee"),)),
        ("MD", (("md",),)),
        ("van der Berg, Pia", (("van", "der", "berg"), ("pia",))),
        ("?!", ()),
        (", ,", ()),
    ],
)
def test_names_that_look_like_titles_or_credentials_remain(typed: str, parts: tuple[tuple[str, ...], ...]) -> None:
    assert parse_name(typed) == TypedName(parts)


@pytest.mark.parametrize("typed", ["lee do", "Lee Do", "LEE DO", "lee do md", "lee ma"])
def test_word_that_is_a_name_or_a_credential_is_uncertain(typed: str) -> None:
    name = parse_name(typed)
    assert name.uncertain == {typed.lower().split()[1]}
    assert name.without_uncertain() == TypedName((("lee",),))


LETTERS = "abdoDLMVnrsv' -.’éñ"
NAME = st.text(LETTERS, min_size=1, max_size=12).filter(lambda text: any(map(str.isalpha, text)))
CREDENTIALS = st.sampled_from(["M.D.", "DO", "Ph.D., LCSW", "LICENSED MASSAGE THERAPIST", "CCHT", "R.N., B.S.N.", "MA"])


@given(NAME, NAME | st.sampled_from(["VAN DER", "M", "DO"]), NAME | st.sampled_from(["DO", "MA", "DR"]), CREDENTIALS)
def test_displayed_name_finds_its_provider(first: str, middle: str, last: str, credential: str) -> None:
    npi = f"100000001{npi_check_digit('100000001')}"
    clean = refine(
        Provider(
            npi=npi, first_name=first, middle_name=middle, last_name=last, suffix="JR.", credential=credential,
            taxonomy="207N00000X",
        )
    )  # fmt: skip
    assert clean.display_name is not None
    words = index_words(clean.first_name, clean.middle_name, clean.last_name, clean.suffix, clean.credential)
    for displayed in (clean.display_name, clean.display_name.lower(), clean.display_name.upper()):
        name = parse_name(displayed)
        assert matches(name, words) or matches(name.without_uncertain(), words)
