"""pytest plugin: real servers for integration tests, started for the first test that needs them.

Fixtures: `postgres_dsn` (a fresh, empty database per test), `redis_url` (flushed per test), `aws_endpoint` (AWS_* set
in the environment for the session) and `unique_name` (for streams and tables on a shared server).
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from millrace_local.ports import free_port
from millrace_local.process import ProcessSpec, exchange_probe, launch_environment
from millrace_local.servers import ministack, postgres, valkey

T = TypeVar("T")
START_SECONDS = 60.0
POLL_SECONDS = 0.02
MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of its own is made in it
MEMORY_NEEDED = 2 << 30
"""Free bytes required to store test databases in memory; a busy disk can stall for seconds."""
UniqueName = Callable[[str], str]


def run_aside(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` on a new event loop in another thread, because a loop may be running in this one."""

    async def awaited() -> T:
        return await work()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(lambda: asyncio.run(awaited())).result()


@contextlib.contextmanager
def running(spec: ProcessSpec, log: Path) -> Iterator[None]:
    """Run one server until the end of the block, which begins when the server is ready. Its output goes to `log`."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a server stops with the thread that started it: start it from the main thread")
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            spec.launch_command(),
            env=launch_environment(spec.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        if not run_aside(lambda: _becomes_ready(spec, process)):
            raise RuntimeError(f"{spec.name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        yield
    finally:
        process.send_signal(spec.stop_signal)
        try:
            process.wait(spec.stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(spec.stop_seconds)


async def _becomes_ready(spec: ProcessSpec, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while not await spec.ready():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


@pytest.fixture(scope="session")
def embedded_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Postgres]:
    """Start a PostgreSQL for the session without crash safety."""
    with _quick_directory(tmp_path_factory) as directory:
        settings = {**postgres.SETTINGS, **postgres.UNSAFE_SETTINGS}
        server = postgres.Postgres(directory, free_port(), settings)
        server.prepare()
        with running(server.spec(), tmp_path_factory.mktemp("postgres") / "log"):
            yield server


@contextlib.contextmanager
def _quick_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a temporary directory, in memory if there is enough space."""
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < MEMORY_NEEDED:
        yield tmp_path_factory.mktemp("database")
        return
    with tempfile.TemporaryDirectory(prefix="millrace-", dir=MEMORY) as directory:
        yield Path(directory)


@pytest.fixture
def postgres_dsn(embedded_postgres: postgres.Postgres, unique_name: UniqueName) -> Iterator[str]:
    """Yield the URL of a new, empty database; it is dropped after the test."""
    name = unique_name("test").replace("-", "_")
    run_aside(lambda: embedded_postgres.create_database(name))
    yield embedded_postgres.dsn(name)
    run_aside(lambda: embedded_postgres.drop_database(name))


@pytest.fixture(scope="session")
def embedded_valkey_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start a Valkey for the session; yield its port."""
    directory = tmp_path_factory.mktemp("valkey")
    port = free_port()
    with running(valkey.spec(directory, port), directory / "log"):
        yield port


@pytest.fixture
def redis_url(embedded_valkey_port: int) -> str:
    """Return the URL of an empty Valkey."""
    if not run_aside(exchange_probe(embedded_valkey_port, b"FLUSHALL\r\n", b"+OK\r\n")):
        raise RuntimeError("the embedded Valkey does not respond")
    return valkey.url(embedded_valkey_port)


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a ministack for the session and set the AWS variables; yield its URL."""
    directory = tmp_path_factory.mktemp("ministack")
    services = f"{ministack.SERVICES},s3"
    server = ministack.Ministack(ministack.environment_directory(), directory, free_port(), services)
    server.prepare()
    with running(server.spec(), directory / "log"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        for name, value in ministack.CREDENTIALS.items():
            patch.setenv(name, value)
        yield server.endpoint


@pytest.fixture(scope="session")
def unique_name() -> UniqueName:
    """Return a function that returns a unique name for a prefix."""
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}-{os.getpid()}-{next(numbers)}"
