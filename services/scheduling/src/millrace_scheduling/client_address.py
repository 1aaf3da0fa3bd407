"""Hides client addresses: holds are limited per address, but only a MAC of the address is stored."""

import hashlib
import hmac
from functools import lru_cache
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from millrace_platform.client_address import read_client_address

CACHED_ADDRESSES = 2_048


class AddressHasher:
    """Computes MACs of client addresses with a secret key of this service.

    `hops` is the number of our own proxies that append to `X-Forwarded-For`.
    """

    def __init__(self, key: bytes, hops: int) -> None:
        self._key = key
        self._hops = hops
        self._mac = lru_cache(maxsize=CACHED_ADDRESSES)(self._compute_mac)

    def hash_client(self, request: Request) -> bytes:
        """Return 16 bytes that stand for the client's IPv4 address or IPv6 network."""
        return self._mac(read_client_address(request.scope, self._hops))

    def _compute_mac(self, source: str) -> bytes:
        return hmac.digest(self._key, source.encode(), hashlib.sha256)[:16]


async def _address_hash(request: Request) -> bytes:
    hasher: AddressHasher = request.app.state.booking.addresses
    return hasher.hash_client(request)


InAddressHash: TypeAlias = Annotated[bytes, Depends(_address_hash)]
