"""Sending everything through the feeds again, after what ministack held was lost."""

import asyncio
from collections.abc import Callable
from typing import Final

import httpx

ASK_SECONDS = 30.0
PAUSE_SECONDS = 0.5
RETRY_SECONDS = 2.0
IN_PAGES: Final = ("reviews",)
"""Services beside the directory whose entities the truth holds; their replays go on from page to page."""


async def replay_everything(directory_url: str, say: Callable[[str], None]) -> None:
    """Have the directory emit all its entities again, and wait until all are in its outbox, from where nothing is lost.

    Keeps trying: the directory may be starting too, or be ended in the middle.
    """
    async with httpx.AsyncClient(base_url=directory_url, timeout=ASK_SECONDS, trust_env=False) as client:
        while True:
            try:
                if await _replay(client):
                    return
                reason = "it did not get through"
            except (httpx.HTTPError, ValueError, KeyError) as error:
                reason = str(error) or type(error).__name__
            say(f"the directory's replay has to be repeated ({reason})")
            await asyncio.sleep(RETRY_SECONDS)


async def replay_pages(service_url: str, service: str, say: Callable[[str], None]) -> None:
    """Have a service emit all its entities again, page after page. Keeps trying, at the page that failed."""
    after: dict[str, str] = {}
    async with httpx.AsyncClient(base_url=service_url, timeout=ASK_SECONDS, trust_env=False) as client:
        while True:
            try:
                answer = await client.post(f"/internal/{service}/replay", params=after)
                following = answer.raise_for_status().json()["next"]
            except (httpx.HTTPError, ValueError, KeyError) as error:
                say(f"the replay of {service} has to go on ({str(error) or type(error).__name__})")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if following is None:
                return
            after = {"after": following}


async def _replay(client: httpx.AsyncClient) -> bool:
    (await client.post("/internal/directory/replay")).raise_for_status()
    while True:
        status = (await client.get("/internal/directory/status")).raise_for_status().json()
        state = status["replay"]["state"]
        if state != "running":
            return bool(state == "done")
        await asyncio.sleep(PAUSE_SECONDS)
