"""IP addresses that webhooks may connect to: pure."""

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# IANA's registries of special-purpose addresses (RFC 6890). Listed here because `is_global` differs between versions of
# Python.
_BLOCKED_V4 = _networks(
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
    # Azure's platform service has a public address; those of other clouds are link-local or private.
    "168.63.129.16/32",
)
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_BLOCKED_V6 = _networks(
    "2001::/23",  # Teredo and other transition mechanisms
    "2001:db8::/32",
    "2002::/16",  # 6to4 embeds IPv4 addresses
    "3fff::/20",
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_allowed(address: Address, *, loopback: bool = False) -> bool:
    """Return whether the address is on the public internet, or a loopback address if `loopback` is set."""
    plain = _unwrap(address)
    if is_loopback(plain):
        return loopback
    if isinstance(plain, ipaddress.IPv4Address):
        return not any(plain in network for network in _BLOCKED_V4)
    return plain in _GLOBAL_V6 and not any(plain in network for network in _BLOCKED_V6)


def is_loopback(address: Address) -> bool:
    return _unwrap(address).is_loopback


def _unwrap(address: Address) -> Address:
    """Return the IPv4 address within a mapped (RFC 4291) or translated (RFC 6052) address, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
