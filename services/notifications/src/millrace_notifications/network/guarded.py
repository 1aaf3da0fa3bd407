"""Connections that only lead where they may: a name is resolved once, all that it gives is checked, and the connection
goes to that very address. TLS still asks for the name, and the certificate must bear it.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

import httpcore

from millrace_notifications.network.addresses import may_reach

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, as text. Raises `OSError` where it has none."""

RESOLVE_SECONDS = 5.0


class AddressRefusedError(Exception):
    """The name leads where nothing may go."""


class NameUnknownError(Exception):
    """The name has no address, or none could be found in time."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """By the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """A network for httpcore. One address that may not be reached makes the whole name refused."""

    def __init__(
        self, *, loopback: bool, resolve: Resolve = resolve, inner: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._loopback = loopback
        self._resolve = resolve
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 # as httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises `AddressRefusedError` and `NameUnknownError` besides httpcore's own."""
        address = await self._checked(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _checked(self, host: str, port: int) -> str:
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NameUnknownError from error
        if not found:
            raise NameUnknownError
        for text in found:
            # A scope (`fe80::1%eth0`) only link-local addresses have.
            if not may_reach(ipaddress.ip_address(text.partition("%")[0]), loopback=self._loopback):
                raise AddressRefusedError
        return found[0]
