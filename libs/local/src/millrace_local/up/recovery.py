"""Sending everything through the feeds again, after what ministack held was lost."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx

ASK_SECONDS = 30.0
PAUSE_SECONDS = 0.5
RETRY_SECONDS = 2.0


async def replay_everything(url_of: Callable[[str], str], say: Callable[[str], None]) -> None:
    """Have each service emit all its entities again, and wait until all are in its outbox, from where nothing is lost.

    `url_of` a service is its base URL. Keeps trying: a service may be starting too, or be ended in the middle.
    """
    for service, replay in REPLAYS:
        async with httpx.AsyncClient(base_url=url_of(service), timeout=ASK_SECONDS, trust_env=False) as client:
            while (reason := await _tried(replay, client, service)) is not None:
                say(f"the replay of {service} has to be repeated ({reason})")
                await asyncio.sleep(RETRY_SECONDS)


Replay = Callable[[httpx.AsyncClient, str], Awaitable[bool]]


async def _tried(replay: Replay, client: httpx.AsyncClient, service: str) -> str | None:
    """Why it didn't get through; None where it did."""
    try:
        return None if await replay(client, service) else "it did not get through"
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return str(error) or type(error).__name__


async def _in_background(client: httpx.AsyncClient, service: str) -> bool:
    """The service does it by itself, and its status tells when it has."""
    (await client.post(f"/internal/{service}/replay")).raise_for_status()
    while True:
        status = (await client.get(f"/internal/{service}/status")).raise_for_status().json()
        state = status["replay"]["state"]
        if state != "running":
            return bool(state == "done")
        await asyncio.sleep(PAUSE_SECONDS)


async def _by_pages(client: httpx.AsyncClient, service: str) -> bool:
    """The service sends a page at a time, and says where the next one begins."""
    after: dict[str, str] = {}
    while True:
        answer = (await client.post(f"/internal/{service}/replay", params=after)).raise_for_status().json()
        if answer["next"] is None:
            return True
        after = {"after": answer["next"]}


REPLAYS: tuple[tuple[str, Replay], ...] = (
    ("directory", _in_background),
    ("patients", _by_pages),
    ("scheduling", _by_pages),
)
"""What others refer to comes first."""
