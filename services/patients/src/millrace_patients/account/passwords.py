"""Hashing (argon2id, RFC 9106) and estimation of passwords in separate threads, because both are slow.

One hash takes tens of milliseconds and megabytes of memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from millrace_patients.account.model import normalize_password
from millrace_patients.account.weaknesses import find_weaknesses, load_common_passwords
from millrace_patients.settings import PatientsSettings
from millrace_platform.errors import Unavailable

T = TypeVar("T")


class Passwords:
    """Hashes, verifies and estimates passwords. At most `queue` calls are pending; further ones raise a 503 problem.

    `common` are the passwords that are rejected as too common.
    """

    def __init__(
        self, hasher: PasswordHasher, common: frozenset[str], executor: ThreadPoolExecutor, queue: int
    ) -> None:
        self._common = common
        self._hasher = hasher
        self._executor = executor
        self._queue = queue
        self._running = 0
        self._dummy_hash = hasher.hash("dummy")

    async def hash(self, password: str) -> str:
        """Return the password's hash as a PHC string, which includes the parameters."""
        text = normalize_password(password)
        return await self._run_in_thread(lambda: self._hasher.hash(text))

    async def find_weaknesses(self, password: str, email: str) -> list[str]:
        """Return the reasons to reject a new password of the account with this address; empty if it is acceptable."""
        return await self._run_in_thread(lambda: list(find_weaknesses(password, email, self._common)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return whether the password matches the hash; if that is None, return False after the same work."""
        text = normalize_password(password)
        matches = await self._run_in_thread(lambda: self._is_match(stored or self._dummy_hash, text))
        return matches and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Return whether the hash was computed with parameters other than the current ones."""
        return self._hasher.check_needs_rehash(stored)

    def _is_match(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run_in_thread(self, work: Callable[[], T]) -> T:
        if self._running >= self._queue:
            raise Unavailable("Too many sign-ins are in progress. Try again shortly.")
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._running -= 1


@asynccontextmanager
async def open_passwords(settings: PatientsSettings) -> AsyncIterator[Passwords]:
    """Yield a `Passwords` with the settings' memory, threads and queue; wait for pending hashes at the end."""
    memory = settings.patients_password_memory
    hasher = PasswordHasher(time_cost=3, memory_cost=memory, parallelism=min(4, memory // 8))
    with ThreadPoolExecutor(settings.patients_password_threads, thread_name_prefix="argon2") as executor:
        yield Passwords(hasher, load_common_passwords(), executor, settings.patients_password_queue)
