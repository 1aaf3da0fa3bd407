"""Finds free loopback ports."""

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the range that Linux assigns to outgoing connections: a client that retries a stopped server could be given
# that server's own port as its local one, and then talks to itself while the server can't bind.
LOWEST, HIGHEST = 20000, 32000


def is_free(port: int) -> bool:
    """Return whether a server could listen on loopback `port` now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return `count` different free ports, chosen at random. Raise RuntimeError if there aren't enough."""
    candidates = random.SystemRandom().sample(range(LOWEST, HIGHEST), HIGHEST - LOWEST)
    free = [port for port, _ in zip((port for port in candidates if is_free(port)), range(count), strict=False)]
    if len(free) < count:
        raise RuntimeError(f"no {count} free ports between {LOWEST} and {HIGHEST}")
    return free


def free_port() -> int:
    """Return a free port, chosen at random."""
    return free_ports(1)[0]
