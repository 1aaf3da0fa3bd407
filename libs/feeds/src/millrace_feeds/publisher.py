"""Writing to a stream: in order per key, until everything is acknowledged."""

import asyncio
from collections.abc import Sequence

from millrace_contracts.envelope import Envelope, encode
from millrace_feeds.errors import PublishError, RecordTooLarge, Unavailable
from millrace_feeds.outgoing import OutgoingQueue, Parcel
from millrace_feeds.settings import PublisherSettings
from millrace_feeds.tracing import publish_span
from millrace_feeds.transport import Outgoing, Transport


class Publisher:
    """Publishes to one stream. Safe for concurrent calls, as long as no two of them hold the same key."""

    def __init__(self, *, transport: Transport, stream: str, settings: PublisherSettings | None = None) -> None:
        self.stream = stream
        self.transport = transport
        self.settings = settings or PublisherSettings()
        self._requests = asyncio.Semaphore(self.settings.batches_in_flight)

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Write envelopes, keeping the order of each key; returns when all are acknowledged.

        A record that fails is sent again with the later ones of its key, so a reader may see repeats. Raises
        `PublishError` when attempts run out (any of the records may be written by then) and `RecordTooLarge` before
        anything was sent.
        """
        await self.publish_parcels(
            [
                Parcel(tag, envelope.partitionkey, encode(envelope), envelope.traceparent)
                for tag, envelope in enumerate(envelopes)
            ]
        )

    async def publish_parcels(self, parcels: Sequence[Parcel]) -> None:
        """As `publish`, for bodies that are already encoded."""
        if not parcels:
            return
        limits = self.transport.limits
        for parcel in parcels:
            if parcel.weight > limits.record_bytes:
                raise RecordTooLarge(f"{parcel.key}: {parcel.weight} bytes are more than {limits.record_bytes}")
        run = _Run(self, OutgoingQueue(limits), self.settings)
        run.queue.add(parcels)
        await run.finish(min(self.settings.batches_in_flight, 1 + len(parcels) // limits.records))

    async def send(self, batch: Sequence[Parcel]) -> Sequence[str | None]:
        """One put request; an entry per parcel: None where acknowledged, else why not. Never raises `Unavailable`."""
        async with self._requests:
            with publish_span(self.stream, batch):
                try:
                    async with asyncio.timeout(self.settings.request_timeout):
                        return await self.transport.put_records(self.stream, [Outgoing(p.key, p.body) for p in batch])
                except (Unavailable, TimeoutError) as error:
                    return [str(error) or type(error).__name__] * len(batch)


class _Run:
    """One call of `publish`: several requests at a time over one queue."""

    def __init__(self, publisher: Publisher, queue: OutgoingQueue, settings: PublisherSettings) -> None:
        self.queue = queue
        self._publisher = publisher
        self._settings = settings
        self._settled = asyncio.Event()

    async def finish(self, workers: int) -> None:
        if workers == 1:
            await self._work()
            return
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work())
        except* PublishError as errors:
            raise errors.exceptions[0] from None

    async def _work(self) -> None:
        while len(self.queue):
            batch = self.queue.take()
            if batch:
                await self._deliver(batch)
                continue
            self._settled.clear()
            await self._settled.wait()

    async def _deliver(self, batch: list[Parcel]) -> None:
        outcomes = await self._publisher.send(batch)
        _, failed = self.queue.settle(batch, outcomes)
        self._settled.set()
        if not failed:
            return
        attempts = max(parcel.attempts for parcel in failed)
        if attempts >= self._settings.attempts:
            reason = next(outcome for outcome in outcomes if outcome is not None)
            raise PublishError(f"{len(failed)} records to {self._publisher.stream} after {attempts} attempts: {reason}")
        await asyncio.sleep(self._settings.backoff.delay(attempts))
        self.queue.requeue(failed)
        self._settled.set()
