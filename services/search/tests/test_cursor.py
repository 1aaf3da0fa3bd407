"""Cursors, valid only for the query that they were created for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_search.engine.cursor import MAX_SHOWN, InvalidCursorError, decode, encode

IDS = st.integers(0, 2**64 - 1)


@given(st.floats(allow_nan=False), IDS, st.lists(IDS, max_size=30))
def test_cursor_round_trip(value: float, row_id: int, shown: list[int]) -> None:
    after, order = decode(encode(b"query", value, row_id, shown), b"query")
    assert (after.value, after.id) == (value, row_id)
    assert order == [each & 0xFF_FFFF_FFFF for each in shown]
    assert after.shown == set(order)


def test_cursor_drops_the_oldest_ids() -> None:
    text = encode(b"query", 1.0, 1, range(1, MAX_SHOWN + 11))
    assert len(text) < 3000
    assert decode(text, b"query")[1] == list(range(11, MAX_SHOWN + 11))


@given(st.text())
def test_invalid_text_is_rejected(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode(text, b"query")


@given(st.integers(0), st.sampled_from("AZaz09-_"))
def test_damaged_cursor_is_rejected(at: int, character: str) -> None:
    text = encode(b"query", 1.5, 7, [1, 2, 3])
    at %= len(text) - 1  # the last character contains padding bits
    damaged = text[:at] + character + text[at + 1 :]
    if damaged != text:
        with pytest.raises(InvalidCursorError):
            decode(damaged, b"query")


def test_cursor_of_another_query_is_rejected() -> None:
    with pytest.raises(InvalidCursorError):
        decode(encode(b"query", 1.5, 7, []), b"other")
