"""The forwarder in virtual time: how rows share requests."""

import asyncio
from collections.abc import Collection, Sequence

from millrace_feeds.forwarder import Forwarder, OutboxRow
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import RelaySettings
from millrace_feeds.testing import elapse, run_virtual
from millrace_feeds.transport import OutgoingRecord

STREAM = "changes"
SETTINGS = RelaySettings(poll_interval=60.0, gather=0.04)


class NotifyingOutbox:
    """An in-memory outbox without latency that wakes waiting tasks."""

    def __init__(self) -> None:
        self._rows: list[OutboxRow] = []
        self._notified = asyncio.Event()

    def commit(self, seq: int) -> None:
        self._rows.append(OutboxRow(seq, f"key-{seq}", 1, None, b"{}", 0.0))
        self._notified.set()

    async def fetch(self, known: Collection[int], limit: int) -> Sequence[OutboxRow]:
        self._notified.clear()
        return [row for row in self._rows if row.seq not in known][:limit]

    async def remove(self, seqs: Sequence[int]) -> None:
        self._rows = [row for row in self._rows if row.seq not in seqs]

    async def wait(self, _seconds: float) -> None:
        await self._notified.wait()


class RecordingTransport(MemoryTransport):
    """Records the time of each request in seconds and its number of records."""

    def __init__(self) -> None:
        super().__init__()
        self.create_stream(STREAM)
        self.requests: list[tuple[float, int]] = []

    async def put_records(self, stream: str, records: Sequence[OutgoingRecord]) -> Sequence[str | None]:
        self.requests.append((round(asyncio.get_running_loop().time(), 3), len(records)))
        return await super().put_records(stream, records)


async def record_requests(*pauses: float) -> list[tuple[float, int]]:
    """Commit a row after each pause; return the time and size of each request."""
    outbox, stream = NotifyingOutbox(), RecordingTransport()
    task = asyncio.create_task(Forwarder(outbox, Publisher(transport=stream, stream=STREAM), SETTINGS).run())
    for seq, pause in enumerate(pauses):
        await elapse(pause)
        outbox.commit(seq)
    await elapse(1.0)
    task.cancel()
    return stream.requests


def test_single_row_is_published_immediately() -> None:
    assert run_virtual(record_requests(0.5, 0.5)) == [(0.5, 1), (1.0, 1)]


def test_rows_within_40_ms_share_request() -> None:
    assert run_virtual(record_requests(0.5, 0.01, 0.01, 0.01)) == [(0.5, 1), (0.54, 3)]
