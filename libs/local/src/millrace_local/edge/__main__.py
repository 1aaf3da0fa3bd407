"""`python -m millrace_local.edge`: serve the edge on a listener that the supervisor hands down."""

import asyncio
import os
import socket
from pathlib import Path

import uvicorn
import uvloop

from millrace_local.edge.app import Edge
from millrace_local.routes import SERVICES

GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 75


def server_config(edge: Edge) -> uvicorn.Config:
    """How the edge is served: adding no header fields of its own, believing nobody's claim to be a proxy."""
    return uvicorn.Config(
        edge,
        http="httptools",
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
    edge = Edge(upstreams, Path(os.environ["MILLRACE_EDGE_READY_FILE"]))
    listener = socket.socket(fileno=int(os.environ["MILLRACE_EDGE_DESCRIPTOR"]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(server_config(edge)).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
