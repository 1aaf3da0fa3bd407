"""Tests of the addresses and URLs that webhooks may use, and of the guarded connections."""

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_notifications.network.addresses import is_allowed
from millrace_notifications.network.client import PostFailedError, open_poster
from millrace_notifications.network.guarded import AddressNotAllowedError, GuardedNetwork, NameResolutionError
from millrace_notifications.network.urls import UrlNotAllowedError, parse_target

from .receiving import Receiver, create_tls_contexts, run_receiver

TlsContexts: TypeAlias = tuple[ssl.SSLContext, ssl.SSLContext]

PUBLIC = "93.184.215.14"

BLOCKED = [
    "0.0.0.0",  # noqa: S104 # no socket is bound to it
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", BLOCKED)
def test_private_addresses_are_blocked(text: str) -> None:
    assert not is_allowed(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", [PUBLIC, "1.1.1.1", "2606:2800:21f:cb07::1", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are_allowed(text: str) -> None:
    assert is_allowed(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_embedded_ipv4_addresses_are_checked_like_plain_ones(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | int(address))
    translated = ipaddress.IPv6Address((0x64FF9B << 96) | int(address))
    assert is_allowed(mapped) == is_allowed(translated) == is_allowed(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://hooks.localhost/",
        "https://LOCALHOST./",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://１２７.0.0.1/",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com/#part",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "example.com",
        "",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_forbidden_urls_are_rejected_with_a_remedy(url: str) -> None:
    with pytest.raises(UrlNotAllowedError) as raised:
        parse_target(url, loopback=False)
    assert raised.value.remedy


def test_public_url_is_parsed() -> None:
    target = parse_target("https://bücher.example:8443/a/b?c=d", loopback=False)
    assert (target.scheme, target.authority) == ("https", "xn--bcher-kva.example:8443")
    assert target.path == "/a/b?c=d"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://localhost:9/x", "http://[::1]:9/", "https://localhost/"]
)
def test_loopback_urls_are_allowed_with_the_setting(url: str) -> None:
    assert parse_target(url, loopback=True)


@pytest.mark.parametrize("url", ["http://example.com/", "https://10.0.0.1/", "https://169.254.169.254/"])
def test_loopback_setting_allows_no_other_urls(url: str) -> None:
    with pytest.raises(UrlNotAllowedError):
        parse_target(url, loopback=True)


class FakeResolver:
    """Resolver that returns the next of its responses each time, as an attacker's name server would."""

    def __init__(self, *responses: Sequence[str]) -> None:
        self.responses = list(responses)
        self.calls = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.calls += 1
        if not self.responses:
            raise socket.gaierror
        return self.responses.pop(0)


class RecordingNetwork(httpcore.AsyncNetworkBackend):
    """Network backend that records addresses instead of connecting."""

    def __init__(self) -> None:
        self.connected: list[str] = []

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        raise httpcore.ConnectError


class TestGuardedNetwork:
    async def connect(self, resolver: FakeResolver, error: type[Exception]) -> list[str]:
        """Try to connect, which must raise the error; return the addresses connected to."""
        network = RecordingNetwork()
        with pytest.raises(error):
            await GuardedNetwork(loopback=False, resolve=resolver, inner=network).connect_tcp("hooks.example", 443)
        return network.connected

    async def test_connects_to_the_checked_address(self) -> None:
        resolver = FakeResolver([PUBLIC], ["127.0.0.1"])
        assert await self.connect(resolver, httpcore.ConnectError) == [PUBLIC]
        assert resolver.calls == 1, "a second lookup would allow DNS rebinding"

    @pytest.mark.parametrize("response", [["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["fe80::1%eth0"], ["::ffff:10.0.0.1"]])
    async def test_name_with_one_private_address_is_refused(self, response: Sequence[str]) -> None:
        assert await self.connect(FakeResolver(response), AddressNotAllowedError) == []

    @pytest.mark.parametrize("responses", [[], [[]]])
    async def test_name_without_addresses_raises(self, responses: Iterable[Sequence[str]]) -> None:
        assert await self.connect(FakeResolver(*responses), NameResolutionError) == []


class TestPosting:
    """Requests over real sockets to a server with a certificate for `hooks.example`."""

    @pytest.fixture
    def tls(self, tmp_path: Path) -> TlsContexts:
        """Return a server context for `hooks.example`, and a client context that trusts it."""
        return create_tls_contexts("hooks.example", tmp_path)

    async def post(self, receiver: Receiver, tls: ssl.SSLContext, path: str = "/", **changes: Any) -> int:
        """Send a request to the receiver and return the status of the response. `changes` are options of the poster."""

        async def resolve_to_loopback(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        target = parse_target(f"https://hooks.example:{receiver.port}{path}", loopback=False)
        options: dict[str, Any] = {"seconds": 10.0, "loopback": True, "tls": tls, **changes}
        async with open_poster(concurrency=4, resolve=resolve_to_loopback, **options) as poster:
            return (await poster.post(target, {"webhook-id": "1"}, b"{}")).status

    async def test_tls_verifies_the_certificate_of_the_name(self, tls: TlsContexts) -> None:
        async with run_receiver(tls[0]) as receiver:
            assert await self.post(receiver, tls[1], "/a?b=c") == 200
        (request,) = receiver.requests
        assert request.line == "POST /a?b=c HTTP/1.1"
        assert request.headers["host"] == f"hooks.example:{receiver.port}"
        assert request.body == b"{}"
        assert receiver.server_names == ["hooks.example"]

    async def test_slow_lookups_delay_only_their_own_poster(
        self, tls: TlsContexts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_over = threading.Event()

        def look_up(host: str, port: int, **_: Any) -> Any:
            if host == "slow.example":
                is_over.wait(30)
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        options: dict[str, Any] = {"loopback": True, "tls": tls[1], "concurrency": 64}
        slow = parse_target("https://slow.example/", loopback=False)
        async with run_receiver(tls[0]) as receiver, open_poster(seconds=30.0, **options) as poster:
            waiting = [asyncio.create_task(poster.post(slow, {}, b"{}")) for _ in range(64)]
            quick = parse_target(f"https://hooks.example:{receiver.port}/", loopback=False)
            async with open_poster(seconds=20.0, **options) as other:
                assert (await other.post(quick, {}, b"{}")).status == 200
            is_over.set()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def test_certificate_of_another_name_fails(self, tmp_path: Path) -> None:
        server, client = create_tls_contexts("other.example", tmp_path)
        async with run_receiver(server) as receiver:
            with pytest.raises(PostFailedError, match="tls"):
                await self.post(receiver, client)
        assert receiver.requests == []

    async def test_redirects_are_not_followed(self, tls: TlsContexts) -> None:
        head = "HTTP/1.1 307 Go\r\nLocation: https://10.0.0.1/\r\n"
        async with run_receiver(tls[0], head=head) as receiver:
            assert await self.post(receiver, tls[1]) == 307
        assert len(receiver.requests) == 1

    async def test_endless_response_is_cut_off(self, tls: TlsContexts) -> None:
        async with run_receiver(tls[0], endless=True) as receiver:
            assert await self.post(receiver, tls[1]) == 200
        assert receiver.sent < 64 * 1024 * 1024

    async def test_missing_response_times_out(self, tls: TlsContexts) -> None:
        async with run_receiver(tls[0], silent=True) as receiver:
            with pytest.raises(PostFailedError, match="timeout"):
                await self.post(receiver, tls[1], seconds=0.3)

    async def test_refused_connection_fails(self, tls: TlsContexts) -> None:
        async with run_receiver(tls[0]) as receiver:
            pass
        with pytest.raises(PostFailedError, match="connection"):
            await self.post(receiver, tls[1])

    async def test_loopback_is_refused_without_the_setting(self, tls: TlsContexts) -> None:
        async with run_receiver(tls[0]) as receiver:
            with pytest.raises(PostFailedError, match="refused_address"):
                await self.post(receiver, tls[1], loopback=False)
        assert receiver.connections == 0
