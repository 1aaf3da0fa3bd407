"""The near cache's rules, with a server whose answers the test gives by hand."""

import asyncio
from typing import Any

import pytest

from millrace_readmodel.cached_generation import Counters, Generation, GenerationMovedError, Kind
from millrace_readmodel.lru import Lru
from millrace_readmodel.tracking import UnavailableError


class Server:
    """Takes commands down; the test answers them when it likes."""

    def __init__(self) -> None:
        self.commands: list[tuple[Any, ...]] = []
        self.replies: list[asyncio.Future[Any]] = []

    def send(self, *command: Any) -> "asyncio.Future[Any]":
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.commands.append(command)
        self.replies.append(reply)
        return reply

    async def asked(self, n: int) -> None:
        while len(self.commands) < n:  # noqa: ASYNC110 # a turn of the loop is all it takes
            await asyncio.sleep(0)


class Companion:
    def __init__(self) -> None:
        self.told: list[bytes | None] = []

    async def prepare(self, generation: Generation) -> None: ...

    def changed(self, generation: Generation, key: bytes | None) -> None:
        self.told.append(key)


def read(_key: bytes, value: bytes | None) -> str:
    if value == b"unreadable":
        raise ValueError(value)
    return (value or b"absent").decode()


WORDS: Kind[str] = Kind(b"w:", 100, read, len)
MORE: Kind[str] = Kind(b"m:", 100, read, len)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def companion() -> Companion:
    return Companion()


@pytest.fixture
def generation(server: Server, companion: Companion) -> Generation:
    made = Generation(7, (WORDS, MORE), server.send, Counters(), companion)
    made.live = True
    return made


async def test_all_misses_of_one_turn_go_out_in_one_command_behind_them_the_pointer(
    generation: Generation, server: Server
) -> None:
    first = asyncio.create_task(generation.load(WORDS, [b"7:w:a", b"7:w:b"]))
    second = asyncio.create_task(generation.load(MORE, [b"7:m:c"]))
    await server.asked(1)
    assert server.commands == [("MGET", b"7:w:a", b"7:w:b", b"7:m:c", "rm:generation")]
    server.replies[0].set_result([b"A", b"B", None, b"7"])
    assert await first == {b"7:w:a": "A", b"7:w:b": "B"}
    assert await second == {b"7:m:c": "absent"}


async def test_a_key_in_flight_is_fetched_once_even_when_one_who_waits_gives_up(
    generation: Generation, server: Server
) -> None:
    tasks = [asyncio.create_task(generation.load(WORDS, [b"7:w:a"])) for _ in range(3)]
    await server.asked(1)
    tasks[0].cancel()
    await asyncio.wait([tasks[0]])
    server.replies[0].set_result([b"A", b"7"])
    assert await asyncio.gather(*tasks[1:]) == [{b"7:w:a": "A"}] * 2
    assert len(server.commands) == 1


async def test_what_was_fetched_is_at_hand_until_it_changes(generation: Generation, server: Server) -> None:
    loading = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.asked(1)
    server.replies[0].set_result([b"A", b"7"])
    await loading
    assert generation.store(WORDS).get(b"7:w:a") == "A"
    generation.invalidated([b"7:w:a"])
    assert generation.store(WORDS).get(b"7:w:a") is None


async def test_a_value_that_changes_during_its_fetch_is_used_but_not_kept(
    generation: Generation, server: Server
) -> None:
    early = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.asked(1)
    generation.invalidated([b"7:w:a"])
    late = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.asked(2)
    server.replies[0].set_result([b"old", b"7"])
    assert await early == {b"7:w:a": "old"}
    assert generation.store(WORDS).get(b"7:w:a") is None
    server.replies[1].set_result([b"new", b"7"])
    assert await late == {b"7:w:a": "new"}
    assert generation.store(WORDS).get(b"7:w:a") == "new"


async def test_nothing_is_kept_while_changes_go_unreported(generation: Generation, server: Server) -> None:
    loading = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.asked(1)
    generation.lost()
    server.replies[0].set_result([b"A", b"7"])
    assert await loading == {b"7:w:a": "A"}
    assert len(generation.store(WORDS)) == 0
    assert generation.ended.is_set()


@pytest.mark.parametrize("pointer", [b"8", None])
async def test_values_of_a_generation_that_moved_are_not_taken_for_good(
    generation: Generation, server: Server, pointer: bytes | None
) -> None:
    loading = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.asked(1)
    server.replies[0].set_result([None, pointer])
    with pytest.raises(GenerationMovedError):
        await loading
    assert len(generation.store(WORDS)) == 0


async def test_what_cannot_be_read_fails_only_those_who_asked_for_it(generation: Generation, server: Server) -> None:
    bad = asyncio.create_task(generation.load(WORDS, [b"7:w:bad"]))
    good = asyncio.create_task(generation.load(WORDS, [b"7:w:good"]))
    await server.asked(1)
    server.replies[0].set_result([b"unreadable", b"G", b"7"])
    assert await good == {b"7:w:good": "G"}
    with pytest.raises(ValueError, match="unreadable"):
        await bad


async def test_a_lost_connection_fails_the_load_and_the_next_one_asks_again(
    generation: Generation, server: Server
) -> None:
    loading = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.asked(1)
    server.replies[0].set_exception(UnavailableError("connection lost"))
    with pytest.raises(UnavailableError):
        await loading
    again = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.asked(2)
    server.replies[1].set_result([b"A", b"7"])
    assert await again == {b"7:w:a": "A"}


async def test_long_loads_are_cut_into_commands_of_bounded_length(generation: Generation, server: Server) -> None:
    keys = [b"7:w:%d" % i for i in range(300)]
    loading = asyncio.create_task(generation.load(WORDS, keys))
    await server.asked(3)
    for command, reply in zip(server.commands, server.replies, strict=True):
        reply.set_result([*command[1:-1], b"7"])
    assert await loading == {key: key.decode() for key in keys}


async def test_changes_of_other_keys_are_told_to_the_companion(generation: Generation, companion: Companion) -> None:
    generation.invalidated([b"7:words", b"7:w:a"])
    assert companion.told == [b"7:words"]
    generation.invalidated(None)
    assert companion.told == [b"7:words", None]


@pytest.mark.parametrize("keys", [[b"rm:generation"], None])
def test_a_moved_pointer_ends_the_generation(generation: Generation, keys: list[bytes] | None) -> None:
    generation.invalidated(keys)
    assert generation.ended.is_set()


THINGS: Kind[str] = Kind(b"t:", 8, read, len, filled=True, listed=True)


@pytest.fixture
def surveyed(server: Server, companion: Companion) -> Generation:
    made = Generation(7, (THINGS,), server.send, Counters(), companion)
    made.live = True
    return made


async def test_what_a_survey_did_not_find_is_absent_without_asking(surveyed: Generation, server: Server) -> None:
    survey = asyncio.create_task(surveyed.survey(THINGS))
    await server.asked(1)
    assert server.commands[0][:4] == ("SCAN", b"0", "MATCH", b"7:t:*")
    server.replies[0].set_result([b"9", [b"7:t:a"]])
    await server.asked(2)
    assert server.commands[1] == ("MGET", b"7:t:a", "rm:generation")
    surveyed.invalidated([b"7:t:new"])
    server.replies[1].set_result([b"A", b"7"])
    await server.asked(3)
    server.replies[2].set_result([b"0", []])
    await survey
    assert await surveyed.load(THINGS, [b"7:t:a", b"7:t:none"]) == {b"7:t:a": "A", b"7:t:none": "absent"}
    for number, key in enumerate((b"7:t:new", b"7:t:later"), 3):
        surveyed.invalidated([key])
        created = asyncio.create_task(surveyed.load(THINGS, [key]))
        await server.asked(number + 1)
        server.replies[number].set_result([b"L", b"7"])
        assert await created == {key: "L"}


async def test_a_survey_fills_only_what_has_room(surveyed: Generation, server: Server) -> None:
    survey = asyncio.create_task(surveyed.survey(THINGS))
    await server.asked(1)
    server.replies[0].set_result([b"5", [b"7:t:%02d" % i for i in range(40)]])
    await server.asked(2)
    server.replies[1].set_result([*(b"X" for _ in server.commands[1][1:-1]), b"7"])
    await server.asked(3)
    server.replies[2].set_result([b"0", [b"7:t:last"]])
    await survey
    assert surveyed.store(THINGS).bytes == 8
    assert [command[0] for command in server.commands] == ["SCAN", "MGET", "SCAN"]


async def test_a_survey_of_a_generation_that_ended_settles_nothing(surveyed: Generation, server: Server) -> None:
    survey = asyncio.create_task(surveyed.survey(THINGS))
    await server.asked(1)
    surveyed.invalidated(None)
    server.replies[0].set_result([b"0", []])
    await survey
    asked = asyncio.create_task(surveyed.load(THINGS, [b"7:t:a"]))
    await server.asked(2)
    server.replies[1].set_result([b"A", b"7"])
    assert await asked == {b"7:t:a": "A"}


def test_the_least_recently_used_values_make_room() -> None:
    lru: Lru[str, str] = Lru(6, len)
    for key in "abc":
        lru.put(key, key * 2)
    assert lru.get("a") == "aa"
    lru.put("d", "dd")
    assert [lru.get(key) for key in "abcd"] == ["aa", None, "cc", "dd"]
    lru.put("c", "c")
    assert (lru.bytes, len(lru), lru.evictions) == (5, 3, 1)


def test_a_value_larger_than_all_room_is_not_kept() -> None:
    lru: Lru[str, str] = Lru(3, len)
    lru.put("a", "aaaa")
    assert (lru.get("a"), lru.bytes) == (None, 0)


async def test_fetches_beyond_the_bound_fail_at_once(
    generation: Generation, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_readmodel.cached_generation.MOST_FLIGHTS", 1)
    waiting = asyncio.create_task(generation.load(WORDS, [b"7:w:a"]))
    await server.asked(1)
    with pytest.raises(UnavailableError):
        await generation.load(WORDS, [b"7:w:b"])
    server.replies[0].set_result([b"A", b"7"])
    await waiting
