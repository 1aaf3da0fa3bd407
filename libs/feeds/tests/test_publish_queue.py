from hypothesis import given
from hypothesis import strategies as st

from millrace_feeds.publish_queue import PublishQueue, QueuedRecord
from millrace_feeds.transport import Limits


def queued_records(keys: str, size: int = 1) -> list[QueuedRecord]:
    return [QueuedRecord(number, key, b"x" * size) for number, key in enumerate(keys)]


def tags(batch: list[QueuedRecord]) -> list[int]:
    return [record.tag for record in batch]


def create_queue(keys: str, limits: Limits | None = None, size: int = 1) -> PublishQueue:
    queue = PublishQueue(limits or Limits())
    queue.add(queued_records(keys, size))
    return queue


def test_batch_respects_limits() -> None:
    assert tags(create_queue("abc", Limits(records=2)).take()) == [0, 1]
    assert tags(create_queue("abc", Limits(request_bytes=22), size=10).take()) == [0, 1]


def test_key_has_one_request_in_flight() -> None:
    queue = create_queue("aba", Limits(records=2))
    first = queue.take()
    assert queue.take() == []
    queue.settle(first, [None, None])
    assert tags(queue.take()) == [2]


def test_failed_record_is_resent_with_later_ones_of_its_key() -> None:
    queue = create_queue("abab")
    acknowledged, failed = queue.settle(queue.take(), ["Throttled", None, None, None])
    assert (tags(acknowledged), tags(failed)) == ([1, 3], [0, 2])
    queue.add([QueuedRecord(4, "a", b""), QueuedRecord(5, "b", b"")])
    assert tags(queue.take()) == [5], "the failed key waits until it is requeued"
    queue.requeue(failed)
    assert tags(queue.take()) == [0, 2, 4]


@given(keys=st.text("abc", max_size=30), failures=st.lists(st.booleans(), max_size=200), max_records=st.integers(1, 6))
def test_every_record_is_acknowledged_once_in_order(keys: str, failures: list[bool], max_records: int) -> None:
    queue = create_queue(keys, Limits(records=max_records))
    turns = iter(failures)
    acknowledged: list[QueuedRecord] = []
    failed_batches: list[list[QueuedRecord]] = []
    while len(queue):
        in_flight = [batch for batch in (queue.take(), queue.take()) if batch]
        for batch in reversed(in_flight):
            outcomes = ["Failed" if next(turns, False) else None for _ in batch]
            done, failed = queue.settle(batch, outcomes)
            acknowledged += done
            failed_batches.append(failed)
        if not in_flight or next(turns, False):
            while failed_batches:
                queue.requeue(failed_batches.pop())
    assert sorted(tags(acknowledged)) == list(range(len(keys)))
    for key in set(keys):
        of_key = [record.tag for record in acknowledged if record.key == key]
        assert of_key == sorted(of_key)
