"""Which addresses an endpoint may have: pure. What a name leads to is looked at when something is sent there."""

import ipaddress
from dataclasses import dataclass

from pydantic_core import Url
from pydantic_core import ValidationError as UrlError

from millrace_notifications.network.addresses import is_loopback, may_reach

LONGEST = 2048
LOCALHOST = "localhost"


class UrlRefusedError(ValueError):
    """The text says why, and `remedy` what to do; neither quotes the address."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart. `host` is in ASCII, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """As the `Host` field has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


def target_of(text: str, *, loopback: bool) -> Target:
    """Takes an address apart as browsers do (WHATWG), so that `0x7f.1` is what it is. Raises `UrlRefusedError`.

    `loopback`: this machine may be reached too, also over plain HTTP.
    """
    if len(text) > LONGEST:
        raise UrlRefusedError("It is too long.", f"Keep it within {LONGEST} characters.")
    try:
        url = Url(text)
    except (UrlError, ValueError) as error:
        raise UrlRefusedError("It is no address.", "Give an address like https://example.com/hooks.") from error
    host = (url.host or "").strip("[]").rstrip(".")
    if url.scheme not in ("https", "http") or not host or not url.port:
        raise UrlRefusedError("It isn't an https address.", "Begin it with https://.")
    if url.username or url.password:
        raise UrlRefusedError("It carries a user or a password.", "Leave them out; verify the signature instead.")
    if url.fragment:
        raise UrlRefusedError("It has a fragment.", "Leave out what follows the #.")
    _check_host(url.scheme, host, loopback)
    query = f"?{url.query}" if url.query else ""
    return Target(url.scheme, host, url.port, (url.path or "/") + query)


def _check_host(scheme: str, host: str, loopback: bool) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    local = host == LOCALHOST or host.endswith(f".{LOCALHOST}") or (address is not None and is_loopback(address))
    if scheme == "http" and not (local and loopback):
        raise UrlRefusedError("It isn't encrypted.", "Begin it with https://.")
    # A name without a dot is looked up in the network's own domain.
    inside = "." not in host if address is None else not may_reach(address, loopback=loopback)
    if not loopback if local else inside:
        raise UrlRefusedError("It leads into a private network.", "Give an address on the public internet.")
