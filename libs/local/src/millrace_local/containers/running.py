"""Runs a `millrace` command as its own process, because each has its own event loop and exit."""

import asyncio
import sys

from millrace_local.up.supervisor import CommandError


async def command(*arguments: str) -> None:
    """Run `millrace ARGUMENTS` with our environment and outputs. Raise CommandError if it fails."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "millrace_local", *arguments)
    if (code := await process.wait()) != 0:
        raise CommandError(f"millrace {arguments[0]} ended with {code}")
