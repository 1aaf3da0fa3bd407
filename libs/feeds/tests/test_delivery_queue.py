import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_feeds.backoff import Backoff
from millrace_feeds.delivery_queue import Batch, DeliveryQueue, FailureAction
from millrace_feeds.settings import RetryPolicy
from millrace_feeds.transport import Record

POLICY = RetryPolicy(batch_attempts=2, record_attempts=3, backoff=Backoff(first=1, factor=2, ceiling=10, jitter=0))


def record(number: int, key: str) -> Record:
    return Record("changes", "shardId-0", str(number), key, b"", 0.0)


def records(keys: str) -> list[Record]:
    return [record(number, key) for number, key in enumerate(keys)]


def create_queue(keys: str, *, batch_records: int = 100) -> DeliveryQueue:
    queue = DeliveryQueue(POLICY, batch_records=batch_records, max_in_flight=1_000)
    queue.add(records(keys))
    return queue


def take(queue: DeliveryQueue, now: float = 0.0) -> Batch:
    batch = queue.next_batch(now)
    assert batch is not None
    return batch


def joined_keys(batch: Batch) -> str:
    return "".join(r.key for r in batch.records)


def test_batches_share_no_key() -> None:
    queue = create_queue("abacab", batch_records=2)
    first, second = take(queue), take(queue)
    assert (joined_keys(first), joined_keys(second)) == ("ab", "c")
    assert queue.next_batch(0.0) is None


def test_waiting_records_of_key_precede_later_ones() -> None:
    queue = create_queue("aab", batch_records=1)
    first = take(queue)
    assert joined_keys(take(queue)) == "b"
    queue.add([record(3, "a")])
    queue.complete(first, 0.0)
    assert take(queue).records == [record(1, "a")]


def test_position_stays_before_unfinished_record() -> None:
    queue = create_queue("abc", batch_records=1)
    a, b, c = take(queue), take(queue), take(queue)
    queue.complete(b, 0.0)
    assert queue.position is None
    queue.complete(a, 0.0)
    assert queue.position == "1"
    queue.complete(c, 0.0)
    assert queue.position == "2"
    assert queue.in_flight == 0


def test_failing_batch_is_retried_then_split_to_single_record() -> None:
    queue = create_queue("abcd")
    now, parked, applied = 0.0, [], []
    for _ in range(50):
        batch = queue.next_batch(now)
        if batch is None:
            due = queue.next_retry_at()
            if due is None:
                break
            now = due
            continue
        if "c" not in joined_keys(batch):
            applied.append(joined_keys(batch))
            queue.complete(batch, now)
        elif queue.fail(batch, now) is FailureAction.PARK:
            parked.append((batch.records[0], batch.total_attempts))
            queue.mark_parked(batch, batch.records[0], now)
    assert applied == ["ab", "d"]
    assert [entry[0].key for entry in parked] == ["c"]
    assert queue.position == "3"


def test_failing_record_does_not_delay_other_keys() -> None:
    queue = create_queue("ab", batch_records=1)
    failing = take(queue)
    queue.fail(failing, 0.0)
    assert joined_keys(take(queue)) == "b"
    queue.add(records("ccc")[2:])
    assert joined_keys(take(queue)) == "c"


def test_later_records_of_failing_key_are_delivered_after_it() -> None:
    queue = create_queue("a", batch_records=1)
    failing = take(queue)
    queue.add([record(1, "a")])
    assert queue.next_batch(0.0) is None
    while queue.fail(failing, 0.0) is not FailureAction.PARK:
        failing = take(queue, queue.next_retry_at() or 0.0)
    queue.mark_parked(failing, failing.records[0], 0.0)
    assert take(queue).records == [record(1, "a")]


def test_batch_of_one_key_is_split_in_order() -> None:
    queue = create_queue("aaaa")
    batch = take(queue)
    assert queue.fail(batch, 0.0) is FailureAction.RETRY
    batch = take(queue, 1.0)
    assert queue.fail(batch, 1.0) is FailureAction.SPLIT
    first = take(queue, 1.0)
    assert [r.sequence for r in first.records] == ["0", "1"]
    assert queue.next_batch(1.0) is None, "the later half waits for the earlier"
    queue.complete(first, 1.0)
    second = take(queue, 1.0)
    assert [r.sequence for r in second.records] == ["2", "3"]
    queue.complete(second, 1.0)
    assert queue.position == "3"


def test_rest_of_batch_is_delivered_after_invalid_record() -> None:
    queue = create_queue("abc")
    batch = take(queue)
    queue.mark_parked(batch, batch.records[0], 0.0)
    assert queue.position == "0"
    assert joined_keys(take(queue)) == "bc"


def test_outage_never_parks() -> None:
    queue = create_queue("a")
    now = 0.0
    for _ in range(100):
        queue.retry_after_outage(take(queue, now), now)
        now = queue.next_retry_at() or now
    assert take(queue, now).records == records("a")


@pytest.mark.parametrize("parallel", [1, 3])
@given(keys=st.text("abcd", max_size=40), choices=st.lists(st.integers(0, 9), min_size=400, max_size=400))
def test_every_record_is_finished_once_in_order_under_random_failures(
    parallel: int, keys: str, choices: list[int]
) -> None:
    queue = create_queue(keys, batch_records=5)
    finished: list[Record] = []
    running: list[Batch] = []
    now, turns = 0.0, iter(choices)
    while queue.in_flight:
        while len(running) < parallel and (batch := queue.next_batch(now)) is not None:
            running.append(batch)
        if not running:
            now = queue.next_retry_at() or now
            continue
        choice = next(turns, 9)
        batch = running.pop(choice % len(running))
        if choice < 4:
            if queue.fail(batch, now) is FailureAction.PARK:
                finished.append(batch.records[0])
                queue.mark_parked(batch, batch.records[0], now)
        else:
            finished += batch.records
            queue.complete(batch, now)
    assert sorted(int(r.sequence) for r in finished) == list(range(len(keys)))
    for key in set(keys):
        assert [r for r in finished if r.key == key] == [r for r in records(keys) if r.key == key]
    assert queue.position == (str(len(keys) - 1) if keys else None)
