"""Background tasks run until they are cancelled, together."""

import asyncio

from millrace_platform.background import Background


async def waits() -> None:
    await asyncio.Event().wait()


async def test_a_failing_task_is_told_once_and_ends_the_others() -> None:
    ended: list[str] = []
    told: list[str | None] = []

    async def other() -> None:
        try:
            await waits()
        finally:
            ended.append("other")

    async def fails() -> None:
        raise RuntimeError("no")

    background = Background()
    background.on_failure = lambda: told.append(background.failed)
    background.start({"other": other, "relay": fails})
    assert await background.join(timeout=5)
    assert told == ["relay"]
    assert ended == ["other"]


async def test_a_task_that_returns_has_failed() -> None:
    async def returns() -> None:
        return

    background = Background()
    background.start({"consumer": returns})
    assert await background.join(timeout=5)
    assert background.failed == "consumer"


async def test_a_task_may_finish_what_it_has_in_flight() -> None:
    release = asyncio.Event()
    finished: list[str] = []

    async def consumer() -> None:
        try:
            await waits()
        except asyncio.CancelledError:
            await release.wait()
            finished.append("batch")

    background = Background()
    background.start({"consumer": consumer})
    await asyncio.sleep(0)  # lets it begin
    background.stop()
    assert not await background.join(timeout=0.01)
    release.set()
    assert await background.join(timeout=5)
    assert finished == ["batch"]
    assert background.failed is None


async def test_nothing_to_run() -> None:
    background = Background()
    background.stop()
    assert await background.join(timeout=1)
    background.start({})
    assert await background.join(timeout=1)
    assert background.failed is None
