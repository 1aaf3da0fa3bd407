"""Compare the directory, the source of truth and the read model that the settings name."""

import asyncio
import os
from typing import Final

import httpx
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from millrace_platform.context import service_agent
from millrace_platform.service_tokens import CallPurpose, operator_headers
from millrace_projector.settings import ProjectorSettings
from millrace_projector.stores import Stores, open_stores
from millrace_projector.verification import Findings, Verification
from millrace_readmodel.audit import Audit, Difference, DifferenceKind
from millrace_readmodel.generations import read_pointers

POLL_SECONDS: Final = 1.0
SNAPSHOT_TIMEOUT: Final = httpx.Timeout(10, read=60)
READ_MODEL: Final = "read model"
UNAVAILABLE_ERRORS: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    RedisError,
    BotoCoreError,
    ClientError,
    OSError,
    msgspec.DecodeError,
)
"""Errors of a service or store that is unavailable or sends an invalid response."""


async def verify(settings: ProjectorSettings, *, wait: float = 0.0, limit: int = 50) -> Findings:
    """Compare directory, source of truth and read model; return the differences, with up to `limit` examples.

    Repeats the comparison for up to `wait` seconds while there are differences or errors. Raises one of
    `UNAVAILABLE_ERRORS` if the last attempt fails.
    """
    deadline = asyncio.get_running_loop().time() + wait
    open_directory = httpx.AsyncClient(
        base_url=settings.directory_url,
        verify=settings.service_context(),
        timeout=SNAPSHOT_TIMEOUT,
        headers=service_agent("verify"),
    )
    async with open_stores(settings, name="millrace-verify") as stores, open_directory as directory:
        while True:
            is_last = asyncio.get_running_loop().time() >= deadline
            try:
                findings = await compare(stores, directory, limit)
                if findings.is_clean or is_last:
                    return findings
            except UNAVAILABLE_ERRORS:
                if is_last:
                    raise
            await asyncio.sleep(POLL_SECONDS)


async def compare(stores: Stores, directory: httpx.AsyncClient, limit: int) -> Findings:
    """Compare once and return the differences, which may include changes made during the comparison."""
    findings = Findings(limit)
    before = await read_pointers(stores.redis)
    audit = Audit(stores.redis, before.served, findings.add) if before.served is not None else None
    if audit is None:
        findings.add(Difference(READ_MODEL, DifferenceKind.MISSING, "rm:generation", "no generation is served"))
    else:
        await audit.start()
    verification = Verification(audit, findings.add)
    headers = operator_headers(os.environ, "directory", CallPurpose.SNAPSHOT)
    async with directory.stream("GET", "/internal/directory/snapshot", headers=headers) as response:
        response.raise_for_status()
        await verification.read_directory(response.aiter_lines())
    await stores.truth.scan(verification.check)
    await verification.finish()
    if await read_pointers(stores.redis) != before:
        findings.add(Difference(READ_MODEL, DifferenceKind.CONTENT, "rm:generation", "rebuilt during the comparison"))
    findings.compared = verification.compared
    return findings
