"""Load generators: a small HTTP client with one keep-alive connection, and a function that runs one as a process."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
import msgspec

from tests.support.platform import REPOSITORY

R = TypeVar("R", bound=msgspec.Struct)


def run_load(module: str, load: msgspec.Struct, report: type[R], *, timeout: float) -> R:
    """Run a load generator with `load` as JSON on stdin; return the report that it writes to stdout.

    Raise CalledProcessError if it fails and TimeoutExpired after `timeout` seconds.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=msgspec.json.encode(load),
        stdout=subprocess.PIPE,
        check=True,
        cwd=REPOSITORY,
        timeout=timeout,
    )
    return msgspec.json.decode(done.stdout, type=report)


class Client:
    """Exchanges JSON with a service on loopback. `headers` are sent with every request."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        self._port = port
        lines = {"Host": f"127.0.0.1:{port}", **(headers or {})}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body, which is empty without Content-Length. Raise OSError or IncompleteReadError."""
        reader, writer = self._streams or await self._connect()
        content = b"" if body is None else msgspec.json.encode(body)
        own = {"Content-Type": "application/json", "Content-Length": str(len(content))} if content else {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**own, **(headers or {})}.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}{lines}\r\n".encode() + content)
        received = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(received[9:12])
        if status == httpx.codes.NO_CONTENT:
            return status, b""
        at = received.index(b"content-length:") + 15
        return status, await reader.readexactly(int(received[at : received.index(b"\r", at)]))

    async def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """POST and return status and decoded body."""
        status, content = await self.request("POST", path, body, headers)
        return status, msgspec.json.decode(content)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams
