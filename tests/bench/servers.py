"""Servers on loopback for one benchmark, with their data in a temporary directory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millrace_local.ports import free_port
from millrace_local.process import ProcessSpec
from millrace_local.servers import postgres, valkey
from millrace_local.testing import run_aside, running


@contextmanager
def database(name: str) -> Iterator[str]:
    """Start a PostgreSQL with an empty database of this name; yield the URL of the database."""
    with tempfile.TemporaryDirectory() as directory:
        server = postgres.Postgres(Path(directory), free_port())
        server.prepare()
        with running(server.spec(), Path(directory) / "log"):
            run_aside(lambda: server.create_database(name))
            yield server.dsn(name)


@contextmanager
def empty_valkey() -> Iterator[str]:
    """Start a Valkey without data; yield its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory, started(valkey.spec(Path(directory), port)):
        yield valkey.url(port)


@contextmanager
def started(spec: ProcessSpec) -> Iterator[None]:
    """Run a process during the block, which begins when its probe succeeds."""
    with tempfile.TemporaryDirectory() as directory, running(spec, Path(directory) / "log"):
        yield
