"""Cursors are for the query that they were given for, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_search.engine.cursor import MAX_SHOWN, InvalidCursorError, decode, encode

IDS = st.integers(0, 2**64 - 1)


@given(st.floats(allow_nan=False), IDS, st.lists(IDS, max_size=30))
def test_a_cursor_says_what_was_put_in(value: float, row: int, shown: list[int]) -> None:
    after, order = decode(encode(b"query", value, row, shown), b"query")
    assert (after.value, after.id) == (value, row)
    assert order == [each & 0xFF_FFFF_FFFF for each in shown]
    assert after.shown == set(order)


def test_who_was_shown_first_is_forgotten_first() -> None:
    text = encode(b"query", 1.0, 1, range(1, MAX_SHOWN + 11))
    assert len(text) < 3000
    assert decode(text, b"query")[1] == list(range(11, MAX_SHOWN + 11))


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode(text, b"query")


@given(st.integers(0), st.sampled_from("AZaz09-_"))
def test_a_damaged_cursor_is_refused(at: int, letter: str) -> None:
    text = encode(b"query", 1.5, 7, [1, 2, 3])
    at %= len(text) - 1  # of the last letter some bits are padding
    damaged = text[:at] + letter + text[at + 1 :]
    if damaged != text:
        with pytest.raises(InvalidCursorError):
            decode(damaged, b"query")


def test_another_querys_cursor_is_refused() -> None:
    with pytest.raises(InvalidCursorError):
        decode(encode(b"query", 1.5, 7, []), b"other")
