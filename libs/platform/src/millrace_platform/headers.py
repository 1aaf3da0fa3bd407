"""Header fields of every response that protect its reader, and the policy of what a page may load."""

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Final

Field = tuple[bytes, bytes]

STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""Only over HTTPS (RFC 6797, section 7.2); for a year and all subdomains."""
POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; sandbox"
)
"""Content-Security-Policy of data. `default-src` covers neither `base-uri`, `form-action` nor `frame-ancestors`."""
DEFAULTS: Final[tuple[Field, ...]] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""Fields of responses that have none of that name: data that no cache stores, and no browser runs or embeds."""
_HTTPS: Final = b"https"
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def protective_fields(fields: Iterable[Field], *, is_https: bool) -> list[Field]:
    """Return the fields that a response with these `fields` still needs."""
    names = {name.lower() for name, _ in fields}
    missing = [field for field in DEFAULTS if field[0] not in names]
    return [*missing, STRICT_TRANSPORT] if is_https else missing


def is_https(scheme: str, headers: Iterable[Field]) -> bool:
    """Return whether the client uses HTTPS: by the header of the load balancer, else by our own connection."""
    forwarded = next((value for name, value in headers if name == b"x-forwarded-proto"), scheme.encode())
    return forwarded == _HTTPS


def page_headers(html: str, *, styles_itself: bool = False) -> dict[str, str]:
    """Return the headers of a page that loads only its own inline scripts and styles, and files of its origin.

    `styles_itself`: its scripts set styles of elements in ways that need all inline styles to be allowed.
    """
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for kind, text in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
    policy = (
        "default-src 'none'",
        " ".join(["script-src 'self'", *hashes["script"]]),
        " ".join(["style-src 'self'", *(["'unsafe-inline'"] if styles_itself else hashes["style"])]),
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
    return {"Cache-Control": "no-cache", "Content-Security-Policy": "; ".join(policy)}
