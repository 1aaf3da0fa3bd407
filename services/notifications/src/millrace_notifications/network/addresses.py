"""Which addresses may be reached on behalf of strangers: pure."""

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Written out, as what the standard library holds for global differs from one Python to the next. From IANA's registries
# of special-purpose addresses (RFC 6890).
_INSIDE_V4 = _networks(
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    # Azure's host, which answers its guests on a public address. The other clouds' are link-local or private.
    "168.63.129.16/32",
)
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_INSIDE_V6 = _networks(
    "2001::/23",  # Teredo and others that carry or borrow addresses
    "2001:db8::/32",
    "2002::/16",  # 6to4 carries an IPv4 address
    "3fff::/20",
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def may_reach(address: Address, *, loopback: bool = False) -> bool:
    """Whether the address is on the public internet, or this machine where `loopback` allows it."""
    plain = _unwrapped(address)
    if is_loopback(plain):
        return loopback
    if isinstance(plain, ipaddress.IPv4Address):
        return not any(plain in network for network in _INSIDE_V4)
    return plain in _GLOBAL_V6 and not any(plain in network for network in _INSIDE_V6)


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
