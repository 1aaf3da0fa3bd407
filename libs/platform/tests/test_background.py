"""Failure and cancellation of background tasks."""

import asyncio

from millrace_platform.background import Background


async def wait_forever() -> None:
    await asyncio.Event().wait()


async def test_failing_task_is_reported_once_and_cancels_the_others() -> None:
    ended: list[str] = []
    reported: list[str | None] = []

    async def other() -> None:
        try:
            await wait_forever()
        finally:
            ended.append("other")

    async def fail() -> None:
        raise RuntimeError("no")

    background = Background()
    background.on_failure = lambda: reported.append(background.failed)
    background.start({"other": other, "relay": fail})
    assert await background.join(timeout=5)
    assert reported == ["relay"]
    assert ended == ["other"]


async def test_task_that_returns_has_failed() -> None:
    async def return_early() -> None:
        return

    background = Background()
    background.start({"consumer": return_early})
    assert await background.join(timeout=5)
    assert background.failed == "consumer"


async def test_stopped_task_may_finish_its_current_work() -> None:
    release = asyncio.Event()
    finished: list[str] = []

    async def consumer() -> None:
        try:
            await wait_forever()
        except asyncio.CancelledError:
            await release.wait()
            finished.append("batch")

    background = Background()
    background.start({"consumer": consumer})
    await asyncio.sleep(0)  # lets the task begin
    background.stop()
    assert not await background.join(timeout=0.01)
    release.set()
    assert await background.join(timeout=5)
    assert finished == ["batch"]
    assert background.failed is None


async def test_background_without_tasks_can_be_joined() -> None:
    background = Background()
    background.stop()
    assert await background.join(timeout=1)
    background.start({})
    assert await background.join(timeout=1)
    assert background.failed is None
