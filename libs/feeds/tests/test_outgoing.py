from hypothesis import given
from hypothesis import strategies as st

from millrace_feeds.outgoing import OutgoingQueue, Parcel
from millrace_feeds.transport import Limits


def parcels(keys: str, size: int = 1) -> list[Parcel]:
    return [Parcel(number, key, b"x" * size) for number, key in enumerate(keys)]


def tags(batch: list[Parcel]) -> list[int]:
    return [parcel.tag for parcel in batch]


def filled(keys: str, limits: Limits | None = None, size: int = 1) -> OutgoingQueue:
    queue = OutgoingQueue(limits or Limits())
    queue.add(parcels(keys, size))
    return queue


def test_a_request_keeps_within_the_limits() -> None:
    assert tags(filled("abc", Limits(records=2)).take()) == [0, 1]
    assert tags(filled("abc", Limits(request_bytes=22), size=10).take()) == [0, 1]


def test_a_key_has_one_request_in_flight() -> None:
    queue = filled("aba", Limits(records=2))
    first = queue.take()
    assert queue.take() == []
    queue.settle(first, [None, None])
    assert tags(queue.take()) == [2]


def test_what_failed_goes_again_with_the_later_ones_of_its_key() -> None:
    queue = filled("abab")
    acknowledged, failed = queue.settle(queue.take(), ["Throttled", None, None, None])
    assert (tags(acknowledged), tags(failed)) == ([1, 3], [0, 2])
    queue.add([Parcel(4, "a", b""), Parcel(5, "b", b"")])
    assert tags(queue.take()) == [5], "the failed key waits until it is put back"
    queue.requeue(failed)
    assert tags(queue.take()) == [0, 2, 4]


@given(
    keys=st.text("abc", max_size=30),
    failures=st.lists(st.booleans(), max_size=200),
    most=st.integers(1, 6),
)
def test_every_parcel_is_acknowledged_once_and_in_order(keys: str, failures: list[bool], most: int) -> None:
    queue = filled(keys, Limits(records=most))
    turns = iter(failures)
    acknowledged: list[Parcel] = []
    aside: list[list[Parcel]] = []
    while len(queue):
        flying = [batch for batch in (queue.take(), queue.take()) if batch]
        for batch in reversed(flying):
            outcomes = ["Failed" if next(turns, False) else None for _ in batch]
            done, failed = queue.settle(batch, outcomes)
            acknowledged += done
            aside.append(failed)
        if not flying or next(turns, False):
            while aside:
                queue.requeue(aside.pop())
    assert sorted(tags(acknowledged)) == list(range(len(keys)))
    for key in set(keys):
        mine = [parcel.tag for parcel in acknowledged if parcel.key == key]
        assert mine == sorted(mine)
