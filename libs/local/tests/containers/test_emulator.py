"""Lost writes of the emulator are detected."""

from pathlib import Path

import pytest

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.errors import Unavailable
from millrace_local.containers.emulator import TABLE, AcknowledgedHeartbeat, DynamoDBHeartbeats, beat_once


class Emulator:
    """Stores its last heartbeat, and the state to which a kill resets it."""

    def __init__(self) -> None:
        self.beat = 0
        self.saved = 0
        self.is_unavailable = False

    async def last(self) -> int:
        if self.is_unavailable:
            raise Unavailable("connection refused")
        return self.beat

    async def write(self, beat: int) -> None:
        if self.is_unavailable:
            raise Unavailable("connection refused")
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
def acknowledged(tmp_path: Path) -> AcknowledgedHeartbeat:
    return AcknowledgedHeartbeat(tmp_path / "beat")


async def beats(
    count: int, emulator: Emulator, acknowledged: AcknowledgedHeartbeat, restored: RecordedRestores
) -> None:
    for _ in range(count):
        await beat_once(emulator, acknowledged, restored)


async def test_new_or_cleanly_stopped_emulator_has_lost_nothing(acknowledged: AcknowledgedHeartbeat) -> None:
    emulator, restored = Emulator(), RecordedRestores()
    await beats(3, emulator, acknowledged, restored)
    emulator.stop_and_start()
    await beats(3, emulator, acknowledged, restored)
    assert (restored.times, emulator.beat) == (0, 6)


@pytest.mark.parametrize("saves", [0, 1])
async def test_kill_is_detected_once(acknowledged: AcknowledgedHeartbeat, saves: int) -> None:
    emulator, restored = Emulator(), RecordedRestores()
    await beats(3, emulator, acknowledged, restored)
    for _ in range(saves):
        emulator.stop_and_start()
    await beats(1, emulator, acknowledged, restored)
    emulator.kill_and_start()
    await beats(3, emulator, acknowledged, restored)
    assert restored.times == 1


async def test_kill_is_detected_after_a_pause(acknowledged: AcknowledgedHeartbeat, tmp_path: Path) -> None:
    emulator, restored = Emulator(), RecordedRestores()
    await beats(3, emulator, acknowledged, restored)
    emulator.kill_and_start()
    await beats(1, emulator, AcknowledgedHeartbeat(tmp_path / "beat"), restored)
    assert restored.times == 1


async def test_failed_restore_is_retried(acknowledged: AcknowledgedHeartbeat) -> None:
    emulator = Emulator()
    await beats(3, emulator, acknowledged, RecordedRestores())
    emulator.kill_and_start()
    failing, restored = RecordedRestores(Unavailable("no")), RecordedRestores()
    with pytest.raises(Unavailable):
        await beat_once(emulator, acknowledged, failing)
    await beats(2, emulator, acknowledged, restored)
    assert (failing.times, restored.times) == (1, 1)


async def test_unacknowledged_heartbeat_is_not_stored(acknowledged: AcknowledgedHeartbeat, tmp_path: Path) -> None:
    emulator, restored = Emulator(), RecordedRestores()
    await beats(3, emulator, acknowledged, restored)
    emulator.is_unavailable = True
    with pytest.raises(Unavailable):
        await beat_once(emulator, acknowledged, restored)
    assert AcknowledgedHeartbeat(tmp_path / "beat").last == 3


async def test_missing_heartbeat_table_is_created(aws_endpoint: str) -> None:
    async with dynamodb_client() as client:
        emulator = DynamoDBHeartbeats(client)
        try:
            assert await emulator.last() == 0
            await emulator.write(7)
            assert await emulator.last() == 7
        finally:
            await client.delete_table(TableName=TABLE)
        assert await emulator.last() == 0
