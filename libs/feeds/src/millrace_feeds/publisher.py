"""Publish records to a stream in order per key, until every one is acknowledged."""

import asyncio
from collections.abc import Sequence

from millrace_contracts.envelope import Envelope, encode
from millrace_feeds.errors import PublishError, RecordTooLarge, Unavailable
from millrace_feeds.publish_queue import PublishQueue, QueuedRecord
from millrace_feeds.settings import PublisherSettings
from millrace_feeds.tracing import publish_span
from millrace_feeds.transport import OutgoingRecord, Transport


class Publisher:
    """Publishes to one stream. Safe for concurrent calls as long as no two of them contain the same key."""

    def __init__(self, *, transport: Transport, stream: str, settings: PublisherSettings | None = None) -> None:
        self.stream = stream
        self.transport = transport
        self.settings = settings or PublisherSettings()
        self._requests = asyncio.Semaphore(self.settings.batches_in_flight)

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Publish envelopes in order per key; return when all are acknowledged.

        A record that fails is sent again with the later ones of its key, so readers may see repeats. Raises
        `PublishError` when the attempts are exhausted (some records may be in the stream by then), and
        `RecordTooLarge` before anything is sent.
        """
        await self.publish_records(
            [
                QueuedRecord(tag, envelope.partitionkey, encode(envelope), envelope.traceparent)
                for tag, envelope in enumerate(envelopes)
            ]
        )

    async def publish_records(self, records: Sequence[QueuedRecord]) -> None:
        """Publish encoded records in order per key; return and raise as `publish` does."""
        if not records:
            return
        limits = self.transport.limits
        for record in records:
            if record.size > limits.record_bytes:
                raise RecordTooLarge(f"{record.key}: {record.size} bytes are more than {limits.record_bytes}")
        call = _PublishCall(self, PublishQueue(limits), self.settings)
        call.queue.add(records)
        await call.run(min(self.settings.batches_in_flight, 1 + len(records) // limits.records))

    async def send(self, batch: Sequence[QueuedRecord]) -> Sequence[str | None]:
        """Send one put request; return for each record None if it was acknowledged, else an error message.

        Reports an unavailable stream as such messages instead of raising `Unavailable`.
        """
        async with self._requests:
            with publish_span(self.stream, batch):
                try:
                    async with asyncio.timeout(self.settings.request_timeout):
                        outgoing = [OutgoingRecord(record.key, record.body) for record in batch]
                        return await self.transport.put_records(self.stream, outgoing)
                except (Unavailable, TimeoutError) as error:
                    return [str(error) or type(error).__name__] * len(batch)


class _PublishCall:
    """Executes one call of `publish_records`: sends several requests concurrently from one queue of records."""

    def __init__(self, publisher: Publisher, queue: PublishQueue, settings: PublisherSettings) -> None:
        self.queue = queue
        self._publisher = publisher
        self._settings = settings
        self._outcome_recorded = asyncio.Event()

    async def run(self, workers: int) -> None:
        if workers == 1:
            await self._run_worker()
            return
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._run_worker())
        except* PublishError as errors:
            raise errors.exceptions[0] from None

    async def _run_worker(self) -> None:
        while len(self.queue):
            batch = self.queue.take()
            if batch:
                await self._send_batch(batch)
                continue
            self._outcome_recorded.clear()
            await self._outcome_recorded.wait()

    async def _send_batch(self, batch: list[QueuedRecord]) -> None:
        outcomes = await self._publisher.send(batch)
        _, failed = self.queue.settle(batch, outcomes)
        self._outcome_recorded.set()
        if not failed:
            return
        attempts = max(record.attempts for record in failed)
        if attempts >= self._settings.attempts:
            reason = next(outcome for outcome in outcomes if outcome is not None)
            raise PublishError(f"{len(failed)} records to {self._publisher.stream} after {attempts} attempts: {reason}")
        await asyncio.sleep(self._settings.backoff.delay(attempts))
        self.queue.requeue(failed)
        self._outcome_recorded.set()
