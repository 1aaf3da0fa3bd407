"""`python -m millrace_local.edge`: serve the edge on a listener inherited from the supervisor, or, in a container, on
`MILLRACE_LISTEN_HOST` and `MILLRACE_LISTEN_PORT`."""

import asyncio
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import uvicorn
import uvloop

from millrace_local.edge.app import Edge
from millrace_local.routes import SERVICES
from millrace_platform.protocol import HeadLimitingProtocol, detect_vanished_peers

GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 75


def server_config(edge: Edge) -> uvicorn.Config:
    """Return the server settings: no header fields of its own, and no trust in forwarding headers."""
    return uvicorn.Config(
        edge,
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
    edge = Edge(upstreams, Path(ready_file) if ready_file else None)
    with _listener(os.environ) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        detect_vanished_peers(listener)
        runner.run(uvicorn.Server(server_config(edge)).serve(sockets=[listener]))


def _listener(environment: Mapping[str, str]) -> socket.socket:
    if descriptor := environment.get("MILLRACE_EDGE_DESCRIPTOR"):
        return socket.socket(fileno=int(descriptor))
    return socket.create_server((environment["MILLRACE_LISTEN_HOST"], int(environment["MILLRACE_LISTEN_PORT"])))


if __name__ == "__main__":
    main()
