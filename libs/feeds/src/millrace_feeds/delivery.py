"""What of a shard is handed to the handler, and when: pure, no I/O, one instance a shard.

Records wait in order. A portion is handed out only while none of its keys is in another portion, so each key's records
are applied in order while other keys go on. A portion that fails is tried again, then split by keys (a single key's
records in order, one part after the other) until a record stands alone; a record that keeps failing is parked. A
failing portion waits aside: it holds up nothing but its own keys. The position moves over finished records only.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum

from millrace_feeds.settings import RetryPolicy
from millrace_feeds.transport import Record


class Verdict(Enum):
    """What becomes of a portion that failed."""

    RETRY = "retry"
    SPLIT = "split"
    PARK = "park"


class Ticket:
    """A record between arrival and effect."""

    __slots__ = ("done", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.done = False


class Portion:
    """Records of one call of the handler. `follower` holds later records of the same key, to be tried after these."""

    __slots__ = ("attempts", "follower", "keys", "outages", "tickets", "tries")

    def __init__(self, tickets: list[Ticket], keys: set[str], *, tries: int = 0, attempts: int = 0) -> None:
        self.tickets = tickets
        self.keys = keys
        self.tries = tries
        self.attempts = attempts
        self.outages = 0
        self.follower: Portion | None = None

    @property
    def records(self) -> list[Record]:
        return [ticket.record for ticket in self.tickets]


class Delivery:
    """The records of one shard between reading and checkpoint."""

    def __init__(self, policy: RetryPolicy, *, batch_records: int, max_in_flight: int) -> None:
        self._policy = policy
        self._batch_records = batch_records
        self._max_in_flight = max_in_flight
        self._order: deque[Ticket] = deque()
        self._ready: deque[Ticket] = deque()
        self._waiting: dict[str, list[Ticket]] = {}
        self._busy: set[str] = set()
        self._retries: list[tuple[float, int, Portion]] = []
        self._scheduled = 0
        self.position: str | None = None

    @property
    def room(self) -> int:
        """How many more records may be added. A finished record counts until all before it are finished."""
        return self._max_in_flight - len(self._order)

    @property
    def held(self) -> int:
        return len(self._order)

    def add(self, records: Iterable[Record]) -> None:
        """Records in the shard's order."""
        tickets = [Ticket(record) for record in records]
        self._order.extend(tickets)
        self._ready.extend(tickets)

    def next(self, now: float) -> Portion | None:
        """What can be handed out now: first a retry that is due, then new records of keys that are free."""
        if self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        return self._fresh()

    def next_due(self) -> float | None:
        """When the next retry is due, on the clock of `next`."""
        return self._retries[0][0] if self._retries else None

    def succeeded(self, portion: Portion, now: float) -> None:
        """Every record of the portion has had its effect."""
        for ticket in portion.tickets:
            ticket.done = True
        self._finish(portion, now)

    def parked(self, portion: Portion, record: Record, now: float) -> None:
        """One record lies in the dead letters; the rest of the portion is handed out again at once."""
        for ticket in portion.tickets:
            if ticket.record == record:
                ticket.done = True
        portion.tickets = [ticket for ticket in portion.tickets if not ticket.done]
        if portion.tickets:
            self._schedule(portion, now)
            self._advance()
        else:
            self._finish(portion, now)

    def delayed(self, portion: Portion, now: float) -> None:
        """What the handler needs isn't there: the whole portion waits, however often; nothing of it is to blame."""
        portion.outages += 1
        self._schedule(portion, now + self._policy.backoff.delay(portion.outages))

    def failed(self, portion: Portion, now: float) -> Verdict:
        """The portion failed. On `PARK` it holds one record, which the caller parks and then reports as `parked`."""
        portion.tries += 1
        portion.attempts += 1
        alone = len(portion.tickets) == 1
        if portion.attempts < (self._policy.record_attempts if alone else self._policy.batch_attempts):
            self._schedule(portion, now + self._policy.backoff.delay(portion.attempts))
            return Verdict.RETRY
        if alone:
            return Verdict.PARK
        self._split(portion, now)
        return Verdict.SPLIT

    def _fresh(self) -> Portion | None:
        ready, busy = self._ready, self._busy
        tickets: list[Ticket] = []
        keys: set[str] = set()
        while ready and len(tickets) < self._batch_records:
            ticket = ready.popleft()
            key = ticket.record.key
            if key in busy:
                self._waiting.setdefault(key, []).append(ticket)
            else:
                tickets.append(ticket)
                keys.add(key)
        if not tickets:
            return None
        busy |= keys
        return Portion(tickets, keys)

    def _finish(self, portion: Portion, now: float) -> None:
        if portion.follower is not None:
            self._schedule(portion.follower, now)
        else:
            self._free(portion.keys)
        self._advance()

    def _free(self, keys: set[str]) -> None:
        self._busy -= keys
        if self._waiting:
            for key in keys & self._waiting.keys():
                # Ahead of the key's records that arrived since.
                self._ready.extendleft(reversed(self._waiting.pop(key)))

    def _advance(self) -> None:
        order = self._order
        while order and order[0].done:
            self.position = order.popleft().record.sequence

    def _schedule(self, portion: Portion, due: float) -> None:
        self._scheduled += 1
        heapq.heappush(self._retries, (due, self._scheduled, portion))

    def _split(self, portion: Portion, now: float) -> None:
        # A part is tried once before it is split further; a record on its own gets all of its attempts.
        parts = _halves(portion.tickets)
        portions = [
            Portion(
                tickets,
                {ticket.record.key for ticket in tickets},
                tries=portion.tries,
                attempts=0 if len(tickets) == 1 else self._policy.batch_attempts - 1,
            )
            for tickets in parts
        ]
        self._free(portion.keys - portions[0].keys - portions[1].keys)
        self._schedule(portions[0], now)
        if portions[0].keys == portions[1].keys:
            portions[0].follower, portions[1].follower = portions[1], portion.follower
        else:
            self._schedule(portions[1], now)


def _halves(tickets: Sequence[Ticket]) -> tuple[list[Ticket], list[Ticket]]:
    """Two parts that share no key, each in order; of a single key's records the earlier and the later half."""
    keys = list(dict.fromkeys(ticket.record.key for ticket in tickets))
    if len(keys) == 1:
        middle = len(tickets) // 2
        return list(tickets[:middle]), list(tickets[middle:])
    first = set(keys[: len(keys) // 2])
    return (
        [ticket for ticket in tickets if ticket.record.key in first],
        [ticket for ticket in tickets if ticket.record.key not in first],
    )
