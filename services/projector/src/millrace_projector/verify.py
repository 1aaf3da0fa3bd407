"""Runs a verification against the services and stores that the settings name."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from millrace_projector.settings import ProjectorSettings
from millrace_projector.stores import Stores, open_stores
from millrace_projector.verification import Findings, Verification
from millrace_readmodel.audit import Audit, Difference, Kind
from millrace_readmodel.generations import pointers

POLL_SECONDS: Final = 1.0
SNAPSHOT_TIMEOUT: Final = httpx.Timeout(10, read=60)
READ_MODEL: Final = "read model"
UNREACHABLE: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    RedisError,
    BotoCoreError,
    ClientError,
    OSError,
    msgspec.DecodeError,
)
"""What is raised where something can't be reached, or answers with something else."""


async def verify(
    settings: ProjectorSettings,
    *,
    wait: float = 0.0,
    limit: int = 50,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Findings:
    """The differences between directory, truth and read model; while there are any, again for up to `wait` seconds.

    Raises what `UNREACHABLE` lists, at once if there is nothing to wait for, else when the time is over.
    """
    deadline = asyncio.get_running_loop().time() + wait
    async with open_stores(settings, name="millrace-verify") as stores, _directory(settings) as directory:
        while True:
            last = asyncio.get_running_loop().time() >= deadline
            try:
                findings = await compare(stores, directory, limit)
                if findings.clean or last:
                    return findings
            except UNREACHABLE:
                if last:
                    raise
            await sleep(POLL_SECONDS)


async def compare(stores: Stores, directory: httpx.AsyncClient, limit: int) -> Findings:
    """One comparison. What changes meanwhile may show as a difference."""
    findings = Findings(limit)
    before = await pointers(stores.redis)
    audit = Audit(stores.redis, before.served, findings.add) if before.served is not None else None
    if audit is None:
        findings.add(Difference(READ_MODEL, Kind.MISSING, "rm:generation", "no generation is served"))
    else:
        await audit.start()
    verification = Verification(audit, findings.add)
    async with directory.stream("GET", "/internal/directory/snapshot") as answer:
        answer.raise_for_status()
        await verification.read_directory(answer.aiter_lines())
    await stores.truth.scan(verification.check)
    await verification.finish()
    if await pointers(stores.redis) != before:
        findings.add(Difference(READ_MODEL, Kind.CONTENT, "rm:generation", "it was rebuilt meanwhile"))
    findings.compared = verification.compared
    return findings


@asynccontextmanager
async def _directory(settings: ProjectorSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=settings.directory_url, timeout=SNAPSHOT_TIMEOUT) as client:
        yield client
