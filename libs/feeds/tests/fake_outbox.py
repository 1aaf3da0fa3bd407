"""An in-memory outbox whose rows commit in another order than they are inserted."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from millrace_feeds.forwarder import OutboxRow


class FakeOutbox:
    """Implements `Outbox` in memory. A row is committed by adding it to `rows`; `latency` delays each request."""

    def __init__(self, latency: Callable[[], float]) -> None:
        self._latency = latency
        self._next = 0
        self.rows: dict[int, OutboxRow] = {}

    def insert(self, key: str, version: int, body: bytes) -> OutboxRow:
        self._next += 1
        return OutboxRow(self._next, key, version, None, body, 0.0)

    async def fetch(self, known: Collection[int], limit: int) -> Sequence[OutboxRow]:
        await asyncio.sleep(self._latency())
        return [self.rows[seq] for seq in sorted(self.rows) if seq not in known][:limit]

    async def remove(self, seqs: Sequence[int]) -> None:
        await asyncio.sleep(self._latency())
        for seq in seqs:
            self.rows.pop(seq, None)
        await asyncio.sleep(self._latency())

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
