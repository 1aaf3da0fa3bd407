"""UUIDv7 identifiers (RFC 9562)."""

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from millrace_platform.ids import Entropy, Uuid7
from millrace_platform.testing import ManualClock


def test_identifier_begins_with_time() -> None:
    made = Uuid7(ManualClock(1_795_000_000.123))()
    assert made.int >> 80 == 1_795_000_000_123
    assert made.version == 7
    assert made.variant == RFC_4122


def test_example_of_rfc() -> None:
    """RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F."""
    counter = (0xCC3 << 30) | (0x18C4DC0C0C07398F >> 32)
    bits = {42: counter, 32: 0x0C07398F}
    made = Uuid7(ManualClock(1_645_557_742.0), lambda count: bits[count])()
    # The highest bit of the counter starts as 0.
    assert made == UUID("017f22e2-79b0-74c3-98c4-dc0c0c07398f")


@given(st.lists(st.integers(1, 64), min_size=1, max_size=40))
def test_random_bits_are_not_reused(sizes: list[int]) -> None:
    """The source counts; each number is made of the next bytes, and the rest of a chunk is discarded."""
    drawn = 0

    def source(size: int) -> bytes:
        nonlocal drawn
        drawn += size
        return bytes(at % 251 for at in range(drawn - size, drawn))

    entropy, at = Entropy(source), 0
    for bits in sizes:
        size = -(-bits // 8)
        at = at if at + size <= drawn else drawn
        expected = int.from_bytes(bytes(each % 251 for each in range(at, at + size))) >> (size * 8 - bits)
        assert entropy(bits) == expected
        at += size


@given(st.lists(st.floats(0, 2**37), min_size=2, max_size=30))
def test_identifiers_increase_when_clock_steps_back(times: list[float]) -> None:
    clock = ManualClock()
    ids, made = Uuid7(clock), []
    for clock.now in times:
        made.append(ids())
    assert made == sorted(set(made))
    assert all(one.version == 7 and one.variant == RFC_4122 for one in made)


def test_identifiers_increase_when_counter_overflows() -> None:
    ids = Uuid7(ManualClock(1.0), lambda count: (1 << count) - 1)
    ids._counter = (1 << 42) - 2
    ids._millisecond = 1_000
    made = [ids() for _ in range(4)]
    assert made == sorted(set(made))
    assert [one.int >> 80 for one in made] == [1_000, 1_001, 1_001, 1_001]
