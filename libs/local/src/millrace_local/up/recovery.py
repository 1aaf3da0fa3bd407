"""Replays all data through the feeds after ministack has lost its content."""

import asyncio
from collections.abc import Callable, Mapping

import httpx

OWNERS = ("directory", "patients", "reviews", "scheduling")
"""Services that publish to `changes`: each replays its data at `POST /internal/<service>/replay`."""

ASK_SECONDS = 30.0
PAUSE_SECONDS = 0.5
RETRY_SECONDS = 2.0


async def replay_everything(urls: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Replay the data of these services and wait until all events are in their outboxes, from which nothing is
    lost. `urls` are by service."""
    async with asyncio.TaskGroup() as group:
        for service, url in urls.items():
            group.create_task(_replay_until_done(service, url, say), name=f"replay of {service}")


async def _replay_until_done(service: str, url: str, say: Callable[[str], None]) -> None:
    """Retry until the replay is complete, because the service may be starting or be killed meanwhile."""
    async with httpx.AsyncClient(base_url=url, timeout=ASK_SECONDS, trust_env=False) as client:
        while True:
            try:
                if await _replay(client, service):
                    return
                reason = "it was incomplete"
            except (httpx.HTTPError, ValueError, KeyError) as error:
                reason = str(error) or type(error).__name__
            say(f"the replay of {service} failed ({reason}); repeating it")
            await asyncio.sleep(RETRY_SECONDS)


async def _replay(client: httpx.AsyncClient, service: str) -> bool:
    """Replay one service: in its background (202, with progress in its status) or page by page (200)."""
    answer = (await client.post(f"/internal/{service}/replay")).raise_for_status()
    if answer.status_code == httpx.codes.ACCEPTED:
        return await _has_ended_well(client, service)
    while (following := answer.json()["next"]) is not None:
        answer = await client.post(f"/internal/{service}/replay", params={"after": following})
        answer.raise_for_status()
    return True


async def _has_ended_well(client: httpx.AsyncClient, service: str) -> bool:
    while True:
        status = (await client.get(f"/internal/{service}/status")).raise_for_status().json()
        state = status["replay"]["state"]
        if state != "running":
            return bool(state == "done")
        await asyncio.sleep(PAUSE_SECONDS)
