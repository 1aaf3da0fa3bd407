"""Determine the client address of a request."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from starlette.types import Scope

UNKNOWN = "unknown"
IPV6_NETWORK = 64
"""Prefix length of the IPv6 network that counts as one client, as each customer of a provider has one (RFC 6177)."""
ADDRESS_LIMIT = 64
"""Longest text that is parsed as an address, in characters."""


def find_client_address(peer: str | None, forwarded_for: Iterable[str], hops: int) -> str:
    """Return the client's IPv4 address or IPv6 network, or `UNKNOWN`.

    `peer` is the address that connected to us, `forwarded_for` are the values of `X-Forwarded-For` in order. Only the
    last `hops` entries can be trusted: each of our own `hops` proxies appends the address that connected to it.
    """
    claimed = [entry.strip() for value in forwarded_for for entry in value.split(",")]
    chain = [*claimed, peer or UNKNOWN]
    text = chain[-1 - hops] if hops < len(chain) else chain[0]
    return _network(text) if len(text) <= ADDRESS_LIMIT else UNKNOWN


def read_client_address(scope: Scope, hops: int) -> str:
    """Return the address of a request's client as `find_client_address` does."""
    peer = scope.get("client")
    forwarded = (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
    return find_client_address(peer[0] if peer else None, forwarded, hops)


@lru_cache(maxsize=2048)
def _network(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
