"""What may be reached on behalf of strangers."""

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

from millrace_notifications.network.addresses import may_reach
from millrace_notifications.network.client import GuardedPoster, PostFailedError, open_poster
from millrace_notifications.network.guarded import AddressRefusedError, GuardedNetwork, NameUnknownError
from millrace_notifications.network.urls import UrlRefusedError, target_of

from .receiving import Receiver, certificate, receiving

PUBLIC = "93.184.215.14"

REFUSED = [
    "0.0.0.0",  # noqa: S104 # nothing is bound to it
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


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_on_the_public_internet_is_refused(text: str) -> None:
    assert not may_reach(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", [PUBLIC, "1.1.1.1", "2606:2800:21f:cb07::1", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_what_is_on_it_is_reached(text: str) -> None:
    assert may_reach(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_no_way_of_writing_an_address_lets_more_through(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | int(address))
    translated = ipaddress.IPv6Address((0x64FF9B << 96) | int(address))
    assert may_reach(mapped) == may_reach(translated) == may_reach(address)


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
def test_such_an_address_is_no_endpoint(url: str) -> None:
    with pytest.raises(UrlRefusedError) as refused:
        target_of(url, loopback=False)
    assert refused.value.remedy


def test_an_endpoint_on_the_internet_is_taken_apart() -> None:
    target = target_of("https://bücher.example:8443/a/b?c=d", loopback=False)
    assert (target.scheme, target.authority) == ("https", "xn--bcher-kva.example:8443")
    assert target.path == "/a/b?c=d"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://localhost:9/x", "http://[::1]:9/", "https://localhost/"]
)
def test_this_machine_may_be_reached_where_the_setting_says_so(url: str) -> None:
    assert target_of(url, loopback=True)


@pytest.mark.parametrize("url", ["http://example.com/", "https://10.0.0.1/", "https://169.254.169.254/"])
def test_and_nothing_more(url: str) -> None:
    with pytest.raises(UrlRefusedError):
        target_of(url, loopback=True)


class Names:
    """A resolver that gives the next of its answers each time, as an attacker's name server would."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        if not self.answers:
            raise socket.gaierror
        return self.answers.pop(0)


class Wires(httpcore.AsyncNetworkBackend):
    """Says where it would have connected to."""

    def __init__(self) -> None:
        self.connected: list[str] = []

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        raise httpcore.ConnectError


class TestGuardedNetwork:
    async def connect(self, names: Names, loopback: bool = False) -> list[str]:
        wires = Wires()
        with pytest.raises(httpcore.ConnectError):
            await GuardedNetwork(loopback=loopback, resolve=names, inner=wires).connect_tcp("hooks.example", 443)
        return wires.connected

    async def test_the_connection_goes_to_the_address_that_was_checked(self) -> None:
        names = Names([PUBLIC], ["127.0.0.1"])
        assert await self.connect(names) == [PUBLIC]
        assert names.asked == 1, "a second look is what a rebinding name waits for"

    @pytest.mark.parametrize("answer", [["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["fe80::1%eth0"], ["::ffff:10.0.0.1"]])
    async def test_one_address_inside_makes_the_name_refused(self, answer: Sequence[str]) -> None:
        wires = Wires()
        with pytest.raises(AddressRefusedError):
            await GuardedNetwork(loopback=False, resolve=Names(answer), inner=wires).connect_tcp("hooks.example", 443)
        assert wires.connected == []

    @pytest.mark.parametrize("answers", [[], [[]]])
    async def test_a_name_without_addresses_is_unknown(self, answers: Iterable[Sequence[str]]) -> None:
        with pytest.raises(NameUnknownError):
            await GuardedNetwork(loopback=False, resolve=Names(*answers), inner=Wires()).connect_tcp("no.example", 443)


class TestPosting:
    """Over real sockets: a server with a certificate for `hooks.example`."""

    async def post(self, poster: GuardedPoster, receiver: Receiver, path: str = "/") -> int:
        target = target_of(f"https://hooks.example:{receiver.port}{path}", loopback=False)
        return (await poster.post(target, {"webhook-id": "1"}, b"{}")).status

    async def test_tls_asks_for_the_name_and_the_certificate_must_bear_it(self, tmp_path: Path) -> None:
        tls, trusting = certificate("hooks.example", tmp_path)
        async with receiving(tls) as receiver, self.poster(trusting) as poster:
            assert await self.post(poster, receiver, "/a?b=c") == 200
            (request,) = receiver.requests
            assert request.line == "POST /a?b=c HTTP/1.1"
            assert request.headers["host"] == f"hooks.example:{receiver.port}"
            assert request.body == b"{}"
            assert receiver.server_names == ["hooks.example"]

    async def test_a_certificate_for_another_name_is_no_good(self, tmp_path: Path) -> None:
        tls, trusting = certificate("other.example", tmp_path)
        async with receiving(tls) as receiver, self.poster(trusting) as poster:
            with pytest.raises(PostFailedError, match="tls"):
                await self.post(poster, receiver)
            assert receiver.requests == []

    async def test_a_redirect_is_not_followed(self, tmp_path: Path) -> None:
        tls, trusting = certificate("hooks.example", tmp_path)
        async with receiving(tls, head="HTTP/1.1 307 Go\r\nLocation: https://10.0.0.1/\r\n") as receiver:
            async with self.poster(trusting) as poster:
                assert await self.post(poster, receiver) == 307
            assert len(receiver.requests) == 1

    async def test_an_answer_without_end_is_cut_off(self, tmp_path: Path) -> None:
        tls, trusting = certificate("hooks.example", tmp_path)
        async with receiving(tls, endless=True) as receiver, self.poster(trusting) as poster:
            assert await self.post(poster, receiver) == 200
        assert receiver.sent < 64 * 1024 * 1024

    async def test_who_never_answers_is_waited_for_within_bounds(self, tmp_path: Path) -> None:
        tls, trusting = certificate("hooks.example", tmp_path)
        async with receiving(tls, silent=True) as receiver, self.poster(trusting, seconds=0.3) as poster:
            with pytest.raises(PostFailedError, match="timeout"):
                await self.post(poster, receiver)

    async def test_nobody_there_is_a_failed_connection(self, tmp_path: Path) -> None:
        tls, trusting = certificate("hooks.example", tmp_path)
        async with receiving(tls) as receiver:
            pass
        async with self.poster(trusting) as poster:
            with pytest.raises(PostFailedError, match="connection"):
                await self.post(poster, receiver)

    async def test_without_the_setting_this_machine_is_out_of_reach(self, tmp_path: Path) -> None:
        tls, trusting = certificate("hooks.example", tmp_path)
        async with receiving(tls) as receiver, self.poster(trusting, loopback=False) as poster:
            with pytest.raises(PostFailedError, match="refused_address"):
                await self.post(poster, receiver)
            assert receiver.connections == 0

    def poster(self, tls: ssl.SSLContext, *, seconds: float = 10.0, loopback: bool = True) -> Any:
        async def here(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        return open_poster(seconds=seconds, at_once=4, loopback=loopback, resolve=here, tls=tls)
