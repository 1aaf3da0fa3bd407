"""Argon2id (RFC 9106) in threads of its own: a hash takes tens of milliseconds and megabytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from millrace_patients.account.model import normalized_password
from millrace_platform.errors import Unavailable

T = TypeVar("T")


class Passwords:
    """Hashes and compares. At most `queue` wait for a thread; more get a 503 problem."""

    def __init__(self, hasher: PasswordHasher, executor: ThreadPoolExecutor, queue: int) -> None:
        self._hasher = hasher
        self._executor = executor
        self._queue = queue
        self._running = 0
        self._nobodys = hasher.hash("nobody's")

    async def hash(self, password: str) -> str:
        """As a PHC string with its parameters."""
        text = normalized_password(password)
        return await self._aside(lambda: self._hasher.hash(text))

    async def match(self, known: str | None, password: str) -> bool:
        """Whether it is the password of the hash; False without a hash, after the same work."""
        text = normalized_password(password)
        same = await self._aside(lambda: self._is_same(known or self._nobodys, text))
        return same and known is not None

    def is_outdated(self, known: str) -> bool:
        """Whether a hash has other parameters than new ones get."""
        return self._hasher.check_needs_rehash(known)

    def _is_same(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _aside(self, work: Callable[[], T]) -> T:
        if self._running >= self._queue:
            raise Unavailable("Too many passwords are being checked.")
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._running -= 1


@asynccontextmanager
async def open_passwords(*, memory: int, threads: int, queue: int) -> AsyncIterator[Passwords]:
    """`memory` in KiB for each of `threads` hashes at a time. The end of the block waits for those under way."""
    hasher = PasswordHasher(time_cost=3, memory_cost=memory, parallelism=min(4, memory // 8))
    with ThreadPoolExecutor(threads, thread_name_prefix="argon2") as executor:
        yield Passwords(hasher, executor, queue)
