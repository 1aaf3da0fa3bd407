"""Specifies how to start, probe and stop a process."""

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

LAUNCHER = Path(__file__).with_name("launcher.py")
PROBE_SECONDS = 2.0
UNPRIVILEGED_USER = 65534  # exists on every Linux

# Probes aren't encrypted, and loading the certificate authorities each time takes longer than a probe.
_NO_ROOTS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How to start, probe and stop one process.

    `stop_signal` requests a stop; the kernel also sends it when the supervisor dies. A process that runs on is killed
    after `stop_seconds`. `unprivileged`: if started by root, run as another user. Lines of output that contain one of
    `hidden` aren't shown. The probe `ready` never raises.
    """

    name: str
    command: tuple[str, ...]
    ready: Probe
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    unprivileged: bool = False
    hidden: tuple[str, ...] = ()

    def launch_command(self) -> list[str]:
        """Return the command line that starts the process as a child of the current one."""
        return launch_command(self.command, self.stop_signal, unprivileged=self.unprivileged)


def launch_command(command: Sequence[str], signal_: signal.Signals, *, unprivileged: bool = False) -> list[str]:
    """Return the command line that starts `command` as a child that gets `signal_` when this process dies."""
    user = str(UNPRIVILEGED_USER) if unprivileged and is_root() else "-"
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal_)), user, "--", *command]


def launch_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the current process's environment without AWS variables, updated by `variables`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**inherited, **variables}


def is_root() -> bool:
    """Return whether the current user is root, as which PostgreSQL refuses to run."""
    return os.geteuid() == 0


def http_probe(url: str) -> Probe:
    """Return a probe that succeeds if `url` returns 200 within `PROBE_SECONDS`."""

    async def probe() -> bool:
        try:
            async with httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False, verify=_NO_ROOTS) as client:
                return (await client.get(url)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    return probe


def exchange_probe(port: int, request: bytes, response: bytes) -> Probe:
    """Return a probe that succeeds if loopback `port` responds to `request` with `response` within `PROBE_SECONDS`."""

    async def exchange() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            return await reader.readexactly(len(response)) == response
        finally:
            writer.close()

    async def probe() -> bool:
        try:
            return await asyncio.wait_for(exchange(), PROBE_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False

    return probe
