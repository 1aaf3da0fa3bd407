"""Replays all data through the feeds after ministack has lost its content."""

import asyncio
from collections.abc import Callable, Mapping

import httpx

from millrace_platform.context import service_agent

PUBLISHERS = ("directory", "patients", "reviews", "scheduling")
"""Services that publish to `changes`: each replays its data at `POST /internal/<service>/replay`."""

AGENT = service_agent("up")
REQUEST_SECONDS = 30.0
PAUSE_SECONDS = 0.5
RETRY_SECONDS = 2.0


async def replay_everything(urls: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Make each of these services replay its data; return when all events are in their outboxes, so none can be lost.

    `urls` are the base URLs by service. `say` gets a message about each failed attempt, which is repeated.
    """
    async with asyncio.TaskGroup() as group:
        for service, url in urls.items():
            group.create_task(_replay_until_done(service, url, say), name=f"replay of {service}")


async def _replay_until_done(service: str, url: str, say: Callable[[str], None]) -> None:
    """Retry until the replay is complete, because the service may be starting or be killed meanwhile."""
    async with httpx.AsyncClient(base_url=url, timeout=REQUEST_SECONDS, trust_env=False, headers=AGENT) as client:
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
    response = (await client.post(f"/internal/{service}/replay")).raise_for_status()
    if response.status_code == httpx.codes.ACCEPTED:
        return await _succeeds(client, service)
    while (following := response.json()["next"]) is not None:
        response = await client.post(f"/internal/{service}/replay", params={"after": following})
        response.raise_for_status()
    return True


async def _succeeds(client: httpx.AsyncClient, service: str) -> bool:
    """Wait until the background replay has ended; return whether it succeeded."""
    while True:
        status = (await client.get(f"/internal/{service}/status")).raise_for_status().json()
        state = status["replay"]["state"]
        if state != "running":
            return bool(state == "done")
        await asyncio.sleep(PAUSE_SECONDS)
