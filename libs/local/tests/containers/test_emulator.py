"""Lost writes of the emulator are detected."""

from pathlib import Path

import pytest

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.errors import Unavailable
from millrace_local.containers.emulator import TABLE, Dynamo, Memory, beat_once


class Emulator:
    """Stores its last heartbeat, and the state to which a kill resets it."""

    def __init__(self) -> None:
        self.beat = 0
        self.saved = 0
        self.away = False

    async def last(self) -> int:
        if self.away:
            raise Unavailable("away")
        return self.beat

    async def write(self, beat: int) -> None:
        if self.away:
            raise Unavailable("away")
        self.beat = beat

    def stop_and_start(self) -> None:
        self.saved = self.beat

    def kill_and_start(self) -> None:
        self.beat = self.saved


class RecordedRestores:
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


async def beats(count: int, emulator: Emulator, memory: Memory, restored: RecordedRestores) -> None:
    for _ in range(count):
        await beat_once(emulator, memory, restored)


async def test_new_or_cleanly_stopped_emulator_has_lost_nothing(memory: Memory) -> None:
    emulator, restored = Emulator(), RecordedRestores()
    await beats(3, emulator, memory, restored)
    emulator.stop_and_start()
    await beats(3, emulator, memory, restored)
    assert (restored.times, emulator.beat) == (0, 6)


@pytest.mark.parametrize("saves", [0, 1])
async def test_kill_is_detected_once(memory: Memory, saves: int) -> None:
    emulator, restored = Emulator(), RecordedRestores()
    await beats(3, emulator, memory, restored)
    for _ in range(saves):
        emulator.stop_and_start()
    await beats(1, emulator, memory, restored)
    emulator.kill_and_start()
    await beats(3, emulator, memory, restored)
    assert restored.times == 1


async def test_kill_is_detected_after_a_pause(memory: Memory, tmp_path: Path) -> None:
    emulator, restored = Emulator(), RecordedRestores()
    await beats(3, emulator, memory, restored)
    emulator.kill_and_start()
    await beats(1, emulator, Memory(tmp_path / "beat"), restored)
    assert restored.times == 1


async def test_failed_restore_is_retried(memory: Memory) -> None:
    emulator = Emulator()
    await beats(3, emulator, memory, RecordedRestores())
    emulator.kill_and_start()
    failing, restored = RecordedRestores(Unavailable("no")), RecordedRestores()
    with pytest.raises(Unavailable):
        await beat_once(emulator, memory, failing)
    await beats(2, emulator, memory, restored)
    assert (failing.times, restored.times) == (1, 1)


async def test_unacknowledged_heartbeat_is_not_stored(memory: Memory, tmp_path: Path) -> None:
    emulator, restored = Emulator(), RecordedRestores()
    await beats(3, emulator, memory, restored)
    emulator.away = True
    with pytest.raises(Unavailable):
        await beat_once(emulator, memory, restored)
    assert Memory(tmp_path / "beat").last == 3


async def test_missing_heartbeat_table_is_created(aws_endpoint: str) -> None:
    async with dynamodb_client() as client:
        emulator = Dynamo(client)
        try:
            assert await emulator.last() == 0
            await emulator.write(7)
            assert await emulator.last() == 7
        finally:
            await client.delete_table(TableName=TABLE)
        assert await emulator.last() == 0
