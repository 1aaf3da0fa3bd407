"""The forwarder in virtual time: how rows meet in a request."""

import asyncio
from collections.abc import Collection, Sequence

from millrace_feeds.forwarder import Forwarder, OutboxRow
from millrace_feeds.memory import MemoryTransport
from millrace_feeds.publisher import Publisher
from millrace_feeds.settings import RelaySettings
from millrace_feeds.testing import elapse, run_virtual
from millrace_feeds.transport import Outgoing

STREAM = "changes"
SETTINGS = RelaySettings(poll_interval=60.0, gather=0.04)


class Announcing:
    """An outbox that answers at once and wakes whoever waits for rows."""

    def __init__(self) -> None:
        self._rows: list[OutboxRow] = []
        self._announced = asyncio.Event()

    def commit(self, seq: int) -> None:
        self._rows.append(OutboxRow(seq, f"key-{seq}", 1, None, b"{}", 0.0))
        self._announced.set()

    async def fetch(self, known: Collection[int], limit: int) -> Sequence[OutboxRow]:
        self._announced.clear()
        return [row for row in self._rows if row.seq not in known][:limit]

    async def remove(self, seqs: Sequence[int]) -> None:
        self._rows = [row for row in self._rows if row.seq not in seqs]

    async def wait(self, _seconds: float) -> None:
        await self._announced.wait()


class Timed(MemoryTransport):
    """Notes when each request came, in seconds, and how many records it had."""

    def __init__(self) -> None:
        super().__init__()
        self.create_stream(STREAM)
        self.requests: list[tuple[float, int]] = []

    async def put_records(self, stream: str, records: Sequence[Outgoing]) -> Sequence[str | None]:
        self.requests.append((round(asyncio.get_running_loop().time(), 3), len(records)))
        return await super().put_records(stream, records)


def requests_of(*pauses: float) -> list[tuple[float, int]]:
    """The requests that come of rows, one of which is committed after each pause."""

    async def scene() -> list[tuple[float, int]]:
        outbox, stream = Announcing(), Timed()
        running = asyncio.create_task(Forwarder(outbox, Publisher(transport=stream, stream=STREAM), SETTINGS).run())
        for seq, pause in enumerate(pauses):
            await elapse(pause)
            outbox.commit(seq)
        await elapse(1.0)
        running.cancel()
        return stream.requests

    return run_virtual(scene())


def test_a_row_that_comes_alone_goes_at_once() -> None:
    assert requests_of(0.5, 0.5) == [(0.5, 1), (1.0, 1)]


def test_rows_that_come_close_together_share_a_request() -> None:
    """The first one waits for nobody; those of the next 40 ms go together."""
    assert requests_of(0.5, 0.01, 0.01, 0.01) == [(0.5, 1), (0.54, 3)]
