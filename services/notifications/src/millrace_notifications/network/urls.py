"""Validation of webhook URLs: pure. The addresses of a name are checked when a message is sent."""

import ipaddress
from dataclasses import dataclass

from pydantic_core import Url
from pydantic_core import ValidationError as UrlError

from millrace_notifications.network.addresses import is_allowed, is_loopback

MAX_LENGTH = 2048
LOCALHOST = "localhost"


class UrlNotAllowedError(ValueError):
    """The URL isn't allowed. The message says why, `remedy` says what to do; neither quotes the URL."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL. `host` is ASCII; IPv6 addresses are without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Return the value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"


def parse_target(text: str, *, loopback: bool) -> Target:
    """Parse and check a URL. Raises `UrlNotAllowedError`.

    Parses like browsers (WHATWG), so that `0x7f.1` is recognized as 127.0.0.1. With `loopback`, loopback addresses are
    allowed too, also over plain HTTP.
    """
    if len(text) > MAX_LENGTH:
        raise UrlNotAllowedError("The URL is too long.", f"Use at most {MAX_LENGTH} characters.")
    try:
        url = Url(text)
    except (UrlError, ValueError) as error:
        raise UrlNotAllowedError("This is not a URL.", "Enter a URL like https://example.com/hooks.") from error
    host = (url.host or "").strip("[]").rstrip(".")
    if url.scheme not in ("https", "http") or not host or not url.port:
        raise UrlNotAllowedError("The URL doesn't use https.", "Use a URL that begins with https://.")
    if url.username or url.password:
        raise UrlNotAllowedError("The URL contains a user or password.", "Remove them. Verify signatures instead.")
    if url.fragment:
        raise UrlNotAllowedError("The URL contains a fragment.", "Remove the # and the text after it.")
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
        raise UrlNotAllowedError("The URL isn't encrypted.", "Use a URL that begins with https://.")
    # A name without a dot would be resolved in the local domain.
    private = "." not in host if address is None else not is_allowed(address, loopback=loopback)
    if not loopback if local else private:
        raise UrlNotAllowedError("The URL points to a private network.", "Use a host on the public internet.")
