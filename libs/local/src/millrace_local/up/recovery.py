"""Replays all data through the feeds after ministack has lost its content."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from millrace_platform.context import service_agent
from millrace_platform.service_tokens import CallPurpose, operator_headers
from millrace_platform.tls import TlsSettings

PUBLISHERS = ("directory", "patients", "reviews", "scheduling")
"""Services that publish to `changes`: each replays its data at `POST /internal/<service>/replay`."""

AGENT = service_agent("up")
REQUEST_SECONDS = 30.0
PAUSE_SECONDS = 0.5
RETRY_SECONDS = 2.0


async def replay_everything(urls: Mapping[str, str], variables: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Make each of these services replay its data; return when all events are in their outboxes, so none can be lost.

    `urls` are the base URLs by service; `variables` contain the keys of `millrace` commands. `say` gets a message about
    each failed attempt, which is repeated.
    """
    async with asyncio.TaskGroup() as group:
        for service, url in urls.items():
            group.create_task(_replay_until_done(Replay(service, variables), url, say), name=f"replay of {service}")


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay of one service. `variables` contain the keys of `millrace` commands."""

    service: str
    variables: Mapping[str, str]

    async def run(self, client: httpx.AsyncClient) -> bool:
        """Replay in the service's background (202, with progress in its status) or page by page (200)."""
        response = await self._post(client)
        if response.status_code == httpx.codes.ACCEPTED:
            return await self._succeeds(client)
        while (following := response.json()["next"]) is not None:
            response = await self._post(client, after=following)
        return True

    async def _post(self, client: httpx.AsyncClient, **page: str) -> httpx.Response:
        headers = operator_headers(self.variables, self.service, CallPurpose.REPLAY)
        response = await client.post(f"/internal/{self.service}/replay", params=page, headers=headers)
        return response.raise_for_status()

    async def _succeeds(self, client: httpx.AsyncClient) -> bool:
        """Wait until the background replay has ended; return whether it succeeded."""
        while True:
            headers = operator_headers(self.variables, self.service, CallPurpose.STATUS)
            response = await client.get(f"/internal/{self.service}/status", headers=headers)
            state = response.raise_for_status().json()["replay"]["state"]
            if state != "running":
                return bool(state == "done")
            await asyncio.sleep(PAUSE_SECONDS)


async def _replay_until_done(replay: Replay, url: str, say: Callable[[str], None]) -> None:
    """Retry until the replay is complete, because the service may be starting or be killed meanwhile."""
    tls = TlsSettings().service_context()
    async with httpx.AsyncClient(
        base_url=url, verify=tls, timeout=REQUEST_SECONDS, trust_env=False, headers=AGENT
    ) as client:
        while True:
            try:
                if await replay.run(client):
                    return
                reason = "it was incomplete"
            except (httpx.HTTPError, ValueError, KeyError) as error:
                reason = str(error) or type(error).__name__
            say(f"the replay of {replay.service} failed ({reason}); repeating it")
            await asyncio.sleep(RETRY_SECONDS)
