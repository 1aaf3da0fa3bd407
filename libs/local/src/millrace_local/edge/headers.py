"""The header fields that a proxy forwards (RFC 9110, section 7.6.1) and those that it adds."""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the fields that are neither hop-by-hop by name nor named by `Connection`."""
    fields = [(name.lower(), value) for name, value in headers]
    named = {option.strip().lower() for name, value in fields if name == b"connection" for option in value.split(b",")}
    return [(name, value) for name, value in fields if name not in HOP_BY_HOP and name not in named]


def forwarded(headers: Headers, *, client: str, scheme: str, port: int) -> Headers:
    """Return `headers` for the upstream: with the client's address appended to `X-Forwarded-For`, our own scheme and
    port, and without `Expect`, which the edge has handled."""
    ours = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", b"expect")
    chain = [value for name, value in headers if name == b"x-forwarded-for"]
    return [
        *(field for field in headers if field[0] not in ours),
        (b"x-forwarded-for", b", ".join([*chain, client.encode()])),
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-port", str(port).encode()),
    ]
