"""A `millrace` command as a process of its own: each has its own idea of a loop and of an end."""

import asyncio
import sys

from millrace_local.up.supervisor import CommandError


async def command(*arguments: str) -> None:
    """Run `millrace ARGUMENTS` with our environment and outputs. Raises CommandError."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "millrace_local", *arguments)
    if (code := await process.wait()) != 0:
        raise CommandError(f"millrace {arguments[0]} ended with {code}")
