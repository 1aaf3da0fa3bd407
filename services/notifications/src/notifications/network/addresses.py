"""Which addresses may be reached on behalf of strangers: pure."""

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CARRIERS = tuple(ipaddress.ip_network(network) for network in ("2002::/16", "2001::/32", "64:ff9b:1::/48", "::/96"))
"""6to4, Teredo, local NAT64 and IPv4-compatible addresses: each carries an IPv4 address to who knows where."""
_CLOUDS = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Azure's host, which answers its guests on a public address. The other clouds' are link-local or private."""


def may_reach(address: Address, *, loopback: bool = False) -> bool:
    """Whether the address is on the public internet, or this machine where `loopback` allows it."""
    plain = _unwrapped(address)
    if is_loopback(plain):
        return loopback
    if plain in _CLOUDS or any(plain in network for network in _CARRIERS):
        return False
    return plain.is_global and not (plain.is_multicast or plain.is_reserved or plain.is_unspecified)


def is_loopback(address: Address) -> bool:
    return _unwrapped(address).is_loopback


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside a mapped (RFC 4291) or translated (RFC 6052) one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
