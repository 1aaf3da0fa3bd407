"""Where a request comes from, as far as limits need it: a MAC of an address, never the address."""

import hashlib
import hmac
from functools import lru_cache
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_platform.source import source_of

REMEMBERED = 2_048
"""Addresses whose MAC is at hand: a client comes several times."""


class Addresses:
    """Hides addresses under a key of the service's own."""

    def __init__(self, key: bytes, hops: int) -> None:
        self._key = key
        self._hops = hops
        self._mac = lru_cache(maxsize=REMEMBERED)(self._mac_of)

    def of(self, request: Request) -> bytes:
        """16 bytes that stand for the client's IPv4 address or IPv6 network."""
        peer = None if request.client is None else request.client.host
        return self._mac(source_of(peer, request.headers.getlist("x-forwarded-for"), self._hops))

    def _mac_of(self, source: str) -> bytes:
        return hmac.digest(self._key, source.encode(), hashlib.sha256)[:16]


async def _address(request: Request) -> bytes:
    addresses: Addresses = request.app.state.addresses
    return addresses.of(request)


InAddress: TypeAlias = Annotated[bytes, Depends(_address)]
