"""`python -m millrace_local.edge`: serve the edge on a listener inherited from the supervisor, or, in a container, on
`MILLRACE_LISTEN_HOST` and `MILLRACE_LISTEN_PORT`."""

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from millrace_local.edge.app import Edge
from millrace_local.routes import SERVICES
from millrace_platform.protocol import EventLoop, HeadLimitingProtocol, detect_vanished_peers
from millrace_platform.settings import setting_problems
from millrace_platform.tls import TlsSettings

GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 75
EXIT_USAGE = 2


def server_config(edge: Edge, tls: ssl.SSLContext | None = None) -> uvicorn.Config:
    """Return the server settings: no header fields of its own, and no trust in forwarding headers.

    Without `tls`, it serves plain HTTP.
    """
    return uvicorn.Config(
        edge,
        ssl_context_factory=None if tls is None else lambda *_: tls,
        http=HeadLimitingProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    upstreams = {name: os.environ[f"MILLRACE_{name.upper()}_URL"] for name in SERVICES}
    ready_file = os.environ.get("MILLRACE_EDGE_READY_FILE")
    try:
        tls = TlsSettings()
    except ValidationError as error:
        sys.stderr.writelines(f"{line}\n" for line in setting_problems(error))
        sys.exit(EXIT_USAGE)
    edge = Edge(upstreams, Path(ready_file) if ready_file else None, tls=tls.service_context())
    config = server_config(edge, tls.listener_context())
    with _listener(os.environ) as listener, asyncio.Runner(loop_factory=EventLoop) as runner:
        detect_vanished_peers(listener)
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))


def _listener(environment: Mapping[str, str]) -> socket.socket:
    if descriptor := environment.get("MILLRACE_EDGE_DESCRIPTOR"):
        return socket.socket(fileno=int(descriptor))
    return socket.create_server((environment["MILLRACE_LISTEN_HOST"], int(environment["MILLRACE_LISTEN_PORT"])))


if __name__ == "__main__":
    main()
