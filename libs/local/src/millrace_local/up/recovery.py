"""Sending everything through the feeds again, after what ministack held was lost."""

import asyncio
from collections.abc import Callable, Mapping

import httpx

OWNERS = ("directory", "patients", "reviews", "scheduling")
"""Services that write to `changes`: each replays what it owns at `POST /internal/<service>/replay`."""

ASK_SECONDS = 30.0
PAUSE_SECONDS = 0.5
RETRY_SECONDS = 2.0


async def replay_everything(urls: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Have services emit all their entities again, and wait until all are in their outboxes, from where nothing is
    lost. `urls` are by service."""
    async with asyncio.TaskGroup() as group:
        for service, url in urls.items():
            group.create_task(_replay_until_done(service, url, say), name=f"replay of {service}")


async def _replay_until_done(service: str, url: str, say: Callable[[str], None]) -> None:
    """Keeps trying: the service may be starting too, or be ended in the middle."""
    async with httpx.AsyncClient(base_url=url, timeout=ASK_SECONDS, trust_env=False) as client:
        while True:
            try:
                if await _replay(client, service):
                    return
                reason = "it did not get through"
            except (httpx.HTTPError, ValueError, KeyError) as error:
                reason = str(error) or type(error).__name__
            say(f"the replay of {service} has to be repeated ({reason})")
            await asyncio.sleep(RETRY_SECONDS)


async def _replay(client: httpx.AsyncClient, service: str) -> bool:
    """A service replays beside its requests (202; its status tells how far it is), or page by page (200)."""
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
