"""An emulator that forgets is noticed, whatever it forgets and whenever it does."""

from pathlib import Path

import pytest

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.errors import Unavailable
from millrace_local.containers.emulator import TABLE, Dynamo, Memory, beat_once


class Emulator:
    """Keeps its last beat, and a state that a kill takes it back to."""

    def __init__(self) -> None:
        self.beat = 0
        self.saved = 0
        self.away = False

    async def last(self) -> int:
        if self.away:
            raise Unavailable("away")
        return self.beat

    async def tell(self, beat: int) -> None:
        if self.away:
            raise Unavailable("away")
        self.beat = beat

    def stop_and_start(self) -> None:
        self.saved = self.beat

    def kill_and_start(self) -> None:
        self.beat = self.saved


class Restored:
    def __init__(self, error: Exception | None = None) -> None:
        self.times = 0
        self.error = error

    async def __call__(self) -> None:
        self.times += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "beat")


async def beats(count: int, emulator: Emulator, memory: Memory, restored: Restored) -> None:
    for _ in range(count):
        await beat_once(emulator, memory, restored)


async def test_a_new_emulator_and_one_that_stopped_cleanly_have_lost_nothing(memory: Memory) -> None:
    emulator, restored = Emulator(), Restored()
    await beats(3, emulator, memory, restored)
    emulator.stop_and_start()
    await beats(3, emulator, memory, restored)
    assert (restored.times, emulator.beat) == (0, 6)


@pytest.mark.parametrize("saves", [0, 1])
async def test_a_kill_is_noticed_once(memory: Memory, saves: int) -> None:
    emulator, restored = Emulator(), Restored()
    await beats(3, emulator, memory, restored)
    for _ in range(saves):
        emulator.stop_and_start()
    await beats(1, emulator, memory, restored)
    emulator.kill_and_start()
    await beats(3, emulator, memory, restored)
    assert restored.times == 1


async def test_a_kill_while_nobody_watched_is_noticed(memory: Memory, tmp_path: Path) -> None:
    emulator, restored = Emulator(), Restored()
    await beats(3, emulator, memory, restored)
    emulator.kill_and_start()
    await beats(1, emulator, Memory(tmp_path / "beat"), restored)
    assert restored.times == 1


async def test_what_could_not_be_restored_is_tried_again(memory: Memory) -> None:
    emulator = Emulator()
    await beats(3, emulator, memory, Restored())
    emulator.kill_and_start()
    failing, restored = Restored(Unavailable("no")), Restored()
    with pytest.raises(Unavailable):
        await beat_once(emulator, memory, failing)
    await beats(2, emulator, memory, restored)
    assert (failing.times, restored.times) == (1, 1)


async def test_a_beat_that_was_not_taken_is_not_remembered(memory: Memory, tmp_path: Path) -> None:
    emulator, restored = Emulator(), Restored()
    await beats(3, emulator, memory, restored)
    emulator.away = True
    with pytest.raises(Unavailable):
        await beat_once(emulator, memory, restored)
    assert Memory(tmp_path / "beat").last == 3


async def test_beats_lie_in_a_table_that_is_made_when_it_is_missing(aws_endpoint: str) -> None:
    async with dynamodb_client() as client:
        emulator = Dynamo(client)
        try:
            assert await emulator.last() == 0
            await emulator.tell(7)
            assert await emulator.last() == 7
        finally:
            await client.delete_table(TableName=TABLE)
        assert await emulator.last() == 0
