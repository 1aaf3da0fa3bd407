import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_feeds.delivery import Delivery, Portion, Verdict
from millrace_feeds.settings import Backoff, RetryPolicy
from millrace_feeds.transport import Record

POLICY = RetryPolicy(batch_attempts=2, record_attempts=3, backoff=Backoff(first=1, factor=2, ceiling=10))


def record(number: int, key: str) -> Record:
    return Record("changes", "shardId-0", str(number), key, b"", 0.0)


def records(keys: str) -> list[Record]:
    return [record(number, key) for number, key in enumerate(keys)]


def delivery(keys: str, *, batch_records: int = 100) -> Delivery:
    made = Delivery(POLICY, batch_records=batch_records, max_in_flight=1_000)
    made.add(records(keys))
    return made


def taken(made: Delivery, now: float = 0.0) -> Portion:
    portion = made.next(now)
    assert portion is not None
    return portion


def keys_of(portion: Portion) -> str:
    return "".join(r.key for r in portion.records)


def test_a_key_in_a_portion_is_in_no_other_portion() -> None:
    made = delivery("abacab", batch_records=2)
    first, second = taken(made), taken(made)
    assert (keys_of(first), keys_of(second)) == ("ab", "c")
    assert made.next(0.0) is None


def test_records_that_waited_for_their_key_come_in_order_before_later_ones() -> None:
    made = delivery("aab", batch_records=1)
    first = taken(made)
    assert keys_of(taken(made)) == "b"
    made.add([record(3, "a")])
    made.succeeded(first, 0.0)
    assert taken(made).records == [record(1, "a")]


def test_the_position_stays_behind_an_unfinished_record() -> None:
    made = delivery("abc", batch_records=1)
    a, b, c = taken(made), taken(made), taken(made)
    made.succeeded(b, 0.0)
    assert made.position is None
    made.succeeded(a, 0.0)
    assert made.position == "1"
    made.succeeded(c, 0.0)
    assert made.position == "2"
    assert made.held == 0


def test_a_failing_batch_is_repeated_then_split_until_the_poison_is_alone() -> None:
    made = delivery("abcd")
    now, parked, applied = 0.0, [], []
    for _ in range(50):
        portion = made.next(now)
        if portion is None:
            due = made.next_due()
            if due is None:
                break
            now = due
            continue
        if "c" not in keys_of(portion):
            applied.append(keys_of(portion))
            made.succeeded(portion, now)
        elif made.failed(portion, now) is Verdict.PARK:
            parked.append((portion.records[0], portion.tries))
            made.parked(portion, portion.records[0], now)
    assert applied == ["ab", "d"]
    assert [entry[0].key for entry in parked] == ["c"]
    assert made.position == "3"


def test_a_poison_record_holds_up_no_other_key() -> None:
    made = delivery("ab", batch_records=1)
    poisoned = taken(made)
    made.failed(poisoned, 0.0)
    assert keys_of(taken(made)) == "b"
    made.add(records("ccc")[2:])
    assert keys_of(taken(made)) == "c"


def test_later_records_of_a_poisoned_key_follow_it() -> None:
    made = delivery("a", batch_records=1)
    poisoned = taken(made)
    made.add([record(1, "a")])
    assert made.next(0.0) is None
    while made.failed(poisoned, 0.0) is not Verdict.PARK:
        poisoned = taken(made, made.next_due() or 0.0)
    made.parked(poisoned, poisoned.records[0], 0.0)
    assert taken(made).records == [record(1, "a")]


def test_a_single_keys_batch_is_split_in_order() -> None:
    made = delivery("aaaa")
    portion = taken(made)
    assert made.failed(portion, 0.0) is Verdict.RETRY
    portion = taken(made, 1.0)
    assert made.failed(portion, 1.0) is Verdict.SPLIT
    first = taken(made, 1.0)
    assert [r.sequence for r in first.records] == ["0", "1"]
    assert made.next(1.0) is None, "the later half waits for the earlier"
    made.succeeded(first, 1.0)
    second = taken(made, 1.0)
    assert [r.sequence for r in second.records] == ["2", "3"]
    made.succeeded(second, 1.0)
    assert made.position == "3"


def test_an_invalid_record_is_taken_out_and_the_rest_handed_in_again() -> None:
    made = delivery("abc")
    portion = taken(made)
    made.parked(portion, portion.records[0], 0.0)
    assert made.position == "0"
    assert keys_of(taken(made)) == "bc"


def test_an_outage_never_parks() -> None:
    made = delivery("a")
    now = 0.0
    for _ in range(100):
        made.delayed(taken(made, now), now)
        now = made.next_due() or now
    assert taken(made, now).records == records("a")


@pytest.mark.parametrize("parallel", [1, 3])
@given(keys=st.text("abcd", max_size=40), choices=st.lists(st.integers(0, 9), min_size=400, max_size=400))
def test_whatever_fails_each_record_is_finished_once_and_in_order(parallel: int, keys: str, choices: list[int]) -> None:
    made = delivery(keys, batch_records=5)
    finished: list[Record] = []
    running: list[Portion] = []
    now, turns = 0.0, iter(choices)
    while made.held:
        while len(running) < parallel and (portion := made.next(now)) is not None:
            running.append(portion)
        if not running:
            now = made.next_due() or now
            continue
        choice = next(turns, 9)
        portion = running.pop(choice % len(running))
        if choice < 4:
            if made.failed(portion, now) is Verdict.PARK:
                finished.append(portion.records[0])
                made.parked(portion, portion.records[0], now)
        else:
            finished += portion.records
            made.succeeded(portion, now)
    assert sorted(int(r.sequence) for r in finished) == list(range(len(keys)))
    for key in set(keys):
        assert [r for r in finished if r.key == key] == [r for r in records(keys) if r.key == key]
    assert made.position == (str(len(keys) - 1) if keys else None)
