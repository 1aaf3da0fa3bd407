"""Work that waits, on virtual time."""

import asyncio
from collections.abc import Sequence

from millrace_feeds.testing import run_virtual
from millrace_notifications.worker import DRAIN_SECONDS, PAUSE_AFTER_FAILURE, Worker


class Pile:
    """Pieces of work that take `seconds` each."""

    def __init__(self, pieces: int, seconds: float) -> None:
        self.left = list(range(pieces))
        self.seconds = seconds
        self.done: list[int] = []
        self.running = self.most = 0
        self.away = False
        self.claims = 0

    async def claim(self, limit: int) -> Sequence[int]:
        self.claims += 1
        if self.away:
            raise OSError
        taken, self.left = self.left[:limit], self.left[limit:]
        return taken

    async def work(self, piece: int) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        if piece == 3:
            raise ValueError
        self.done.append(piece)


async def run_for(pile: Pile, seconds: float, slots: int = 4) -> None:
    task = asyncio.create_task(Worker("test", pile.claim, pile.work, slots).run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def test_all_is_done_and_never_more_than_its_slots_at_once() -> None:
    pile = Pile(20, seconds=1.0)
    run_virtual(run_for(pile, 30))
    assert sorted(pile.done) == [piece for piece in range(20) if piece != 3]
    assert pile.most == 4


def test_what_is_under_way_is_finished_when_the_service_stops() -> None:
    pile = Pile(4, seconds=DRAIN_SECONDS - 1)
    run_virtual(run_for(pile, 1))
    assert sorted(pile.done) == [0, 1, 2]


def test_what_takes_too_long_then_is_left_to_its_lease() -> None:
    pile = Pile(1, seconds=DRAIN_SECONDS * 10)
    run_virtual(run_for(pile, 1))
    assert (pile.done, pile.running) == ([], 0)


def test_while_nothing_can_be_claimed_it_waits() -> None:
    pile = Pile(1, seconds=0.1)
    pile.away = True

    async def main() -> None:
        task = asyncio.create_task(Worker("test", pile.claim, pile.work, 4).run())
        await asyncio.sleep(PAUSE_AFTER_FAILURE * 3 + 1)
        assert pile.claims == 4
        pile.away = False
        await asyncio.sleep(PAUSE_AFTER_FAILURE + 1)
        task.cancel()
        await asyncio.wait([task])

    run_virtual(main())
    assert pile.done == [0]
