"""Tests of the addresses and URLs that webhooks may use, and of the guarded connections."""

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_notifications.network.addresses import is_allowed
from millrace_notifications.network.client import GuardedPoster, PostFailedError, open_poster
from millrace_notifications.network.guarded import AddressNotAllowedError, GuardedNetwork, NameResolutionError
from millrace_notifications.network.urls import UrlNotAllowedError, parse_target

from .receiving import Receiver, create_tls_contexts, run_receiver

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
    async def connect(self, resolver: FakeResolver, loopback: bool = False) -> list[str]:
        network = RecordingNetwork()
        with pytest.raises(httpcore.ConnectError):
            await GuardedNetwork(loopback=loopback, resolve=resolver, inner=network).connect_tcp("hooks.example", 443)
        return network.connected

    async def test_connects_to_the_checked_address(self) -> None:
        resolver = FakeResolver([PUBLIC], ["127.0.0.1"])
        assert await self.connect(resolver) == [PUBLIC]
        assert resolver.calls == 1, "a second lookup would allow DNS rebinding"

    @pytest.mark.parametrize("response", [["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["fe80::1%eth0"], ["::ffff:10.0.0.1"]])
    async def test_name_with_one_private_address_is_refused(self, response: Sequence[str]) -> None:
        network = RecordingNetwork()
        with pytest.raises(AddressNotAllowedError):
            await GuardedNetwork(loopback=False, resolve=FakeResolver(response), inner=network).connect_tcp(
                "hooks.example", 443
            )
        assert network.connected == []

    @pytest.mark.parametrize("responses", [[], [[]]])
    async def test_name_without_addresses_raises(self, responses: Iterable[Sequence[str]]) -> None:
        with pytest.raises(NameResolutionError):
            await GuardedNetwork(
                loopback=False, resolve=FakeResolver(*responses), inner=RecordingNetwork()
            ).connect_tcp("no.example", 443)


class TestPosting:
    """Requests over real sockets to a server with a certificate for `hooks.example`."""

    async def post(self, poster: GuardedPoster, receiver: Receiver, path: str = "/") -> int:
        target = parse_target(f"https://hooks.example:{receiver.port}{path}", loopback=False)
        return (await poster.post(target, {"webhook-id": "1"}, b"{}")).status

    async def test_tls_verifies_the_certificate_of_the_name(self, tmp_path: Path) -> None:
        tls, client_tls = create_tls_contexts("hooks.example", tmp_path)
        async with run_receiver(tls) as receiver, self.poster(client_tls) as poster:
            assert await self.post(poster, receiver, "/a?b=c") == 200
            (request,) = receiver.requests
            assert request.line == "POST /a?b=c HTTP/1.1"
            assert request.headers["host"] == f"hooks.example:{receiver.port}"
            assert request.body == b"{}"
            assert receiver.server_names == ["hooks.example"]

    async def test_certificate_of_another_name_fails(self, tmp_path: Path) -> None:
        tls, client_tls = create_tls_contexts("other.example", tmp_path)
        async with run_receiver(tls) as receiver, self.poster(client_tls) as poster:
            with pytest.raises(PostFailedError, match="tls"):
                await self.post(poster, receiver)
            assert receiver.requests == []

    async def test_redirects_are_not_followed(self, tmp_path: Path) -> None:
        tls, client_tls = create_tls_contexts("hooks.example", tmp_path)
        async with run_receiver(tls, head="HTTP/1.1 307 Go\r\nLocation: https://10.0.0.1/\r\n") as receiver:
            async with self.poster(client_tls) as poster:
                assert await self.post(poster, receiver) == 307
            assert len(receiver.requests) == 1

    async def test_endless_response_is_cut_off(self, tmp_path: Path) -> None:
        tls, client_tls = create_tls_contexts("hooks.example", tmp_path)
        async with run_receiver(tls, endless=True) as receiver, self.poster(client_tls) as poster:
            assert await self.post(poster, receiver) == 200
        assert receiver.sent < 64 * 1024 * 1024

    async def test_missing_response_times_out(self, tmp_path: Path) -> None:
        tls, client_tls = create_tls_contexts("hooks.example", tmp_path)
        async with run_receiver(tls, silent=True) as receiver, self.poster(client_tls, seconds=0.3) as poster:
            with pytest.raises(PostFailedError, match="timeout"):
                await self.post(poster, receiver)

    async def test_refused_connection_fails(self, tmp_path: Path) -> None:
        tls, client_tls = create_tls_contexts("hooks.example", tmp_path)
        async with run_receiver(tls) as receiver:
            pass
        async with self.poster(client_tls) as poster:
            with pytest.raises(PostFailedError, match="connection"):
                await self.post(poster, receiver)

    async def test_loopback_is_refused_without_the_setting(self, tmp_path: Path) -> None:
        tls, client_tls = create_tls_contexts("hooks.example", tmp_path)
        async with run_receiver(tls) as receiver, self.poster(client_tls, loopback=False) as poster:
            with pytest.raises(PostFailedError, match="refused_address"):
                await self.post(poster, receiver)
            assert receiver.connections == 0

    def poster(self, tls: ssl.SSLContext, *, seconds: float = 10.0, loopback: bool = True) -> Any:
        async def resolve_to_loopback(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        return open_poster(seconds=seconds, concurrency=4, loopback=loopback, resolve=resolve_to_loopback, tls=tls)
