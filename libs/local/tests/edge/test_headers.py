"""Header fields that the edge forwards."""

from millrace_local.edge.headers import end_to_end, forwarded


def test_hop_by_hop_fields_are_not_forwarded() -> None:
    headers = [
        (b"Connection", b"keep-alive, X-Private"),
        (b"X-Private", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"TE", b"trailers"),
        (b"Accept", b"*/*"),
    ]
    assert end_to_end(headers) == [(b"accept", b"*/*")]


def test_repeated_fields_stay_repeated() -> None:
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert end_to_end(cookies) == cookies


def test_client_address_is_appended_to_x_forwarded_for() -> None:
    headers = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https"), (b"host", b"example.org")]
    assert forwarded(headers, client="127.0.0.1", scheme="http", port=8080) == [
        (b"host", b"example.org"),
        (b"x-forwarded-for", b"203.0.113.9, 127.0.0.1"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-port", b"8080"),
    ]
