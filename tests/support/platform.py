"""A complete platform for a test, started by `millrace up` with its own data directory on a free port."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from millrace_local.ports import free_port
from millrace_platform.service_tokens import CallPurpose, operator_headers

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]
MILLRACE = Path(sys.executable).with_name("millrace")
START_SECONDS = 170.0


def wait_for(condition: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """Return the first result of `condition` that is neither None nor False; raise AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result is not None and result is not False:
            return result
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.05)


def run(
    command: Sequence[str], *, seconds: float, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its exit code and output; raise TimeoutExpired after `seconds`."""
    return subprocess.run(
        command,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@dataclass
class Platform:
    """A running platform. `home` is its data directory; `command` runs its command line program in `environment`.

    `process` and `log` (the file with the output of all services) are None if the test didn't start it.
    """

    home: Path
    url: str
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None
    command: Sequence[str] = (str(MILLRACE),)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @classmethod
    def running(cls) -> "Platform | None":
        """Return the platform that `MILLRACE_TEST_URL` names, or None if the variable isn't set.

        `MILLRACE_TEST_HOME` is its data directory, `MILLRACE_TEST_COMMAND` its command line program.
        """
        if not (url := os.environ.get("MILLRACE_TEST_URL")):
            return None
        return cls(
            Path(os.environ["MILLRACE_TEST_HOME"]), url, command=shlex.split(os.environ["MILLRACE_TEST_COMMAND"])
        )

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables in `platform.env`: addresses and settings of all services."""
        lines = (self.home / "platform.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

    def millrace(self, *arguments: str, check: bool = True, seconds: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a `millrace` command against this platform."""
        done = run([*self.command, *arguments], seconds=seconds, environment=self._environment(), cwd=self.home)
        assert not check or done.returncode == 0, f"millrace {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a `millrace` command and leave it running."""
        return subprocess.Popen(
            [*self.command, *arguments],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.home,
        )

    def _environment(self) -> dict[str, str]:
        return {**self.environment, "MILLRACE_HOME": str(self.home), "COLUMNS": "200", "NO_COLOR": "1"}

    def token(self, *roles: str, practices: Sequence[str] = ()) -> dict[str, str]:
        """Return headers with a token for these roles. It belongs to no account, so it gives no access to patients."""
        options = [*(("--role", role) for role in roles), *(("--practice", practice) for practice in practices)]
        done = self.millrace("token", *(word for option in options for word in option))
        return {"Authorization": f"Bearer {done.stdout.strip()}"}

    def process_of(self, pattern: str) -> psutil.Process:
        """Return the descendant of `millrace up` whose command line matches the regular expression `pattern`."""
        assert self.process is not None, "the test didn't start this platform"
        supervisor = psutil.Process(self.process.pid)

        def found() -> psutil.Process | None:
            matching = []
            for child in supervisor.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if re.search(pattern, " ".join(child.cmdline())) and child.status() != psutil.STATUS_ZOMBIE:
                        matching.append(child)
            return min(matching, key=lambda child: child.pid) if matching else None

        return wait_for(found, seconds=30, what=f"a process like {pattern}")

    def status(self, service: str) -> dict[str, Any]:
        """Return the stats of a service, or an empty dictionary while it is unavailable."""
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError, FileNotFoundError):
            return self.internal(service, "status", CallPurpose.STATUS)
        return {}

    def sent_emails(self) -> list[dict[str, str]]:
        """Return the last emails that the platform sent, oldest first."""
        items: list[dict[str, str]] = self.internal("notifications", "outbox", CallPurpose.SENT_EMAILS)["items"]
        return items

    def internal(self, service: str, path: str, purpose: CallPurpose) -> dict[str, Any]:
        """Return the response to GET `/internal/<service>/<path>`, sent to the service itself as an operator."""
        variables = self.variables
        url = f"{variables[f'MILLRACE_{service.upper()}_URL']}/internal/{service}/{path}"
        response = httpx.get(url, headers=operator_headers(variables, service, purpose), timeout=5)
        body: dict[str, Any] = response.raise_for_status().json()
        return body

    def is_healthy(self) -> bool:
        """Return whether every service is ready, as `/healthz` reports it."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == httpx.codes.OK
        return False

    def is_quiet(self) -> bool:
        """Return whether all work is done: outboxes empty, no replay, no openings to publish, no unread records."""
        directory, scheduling = self.status("directory"), self.status("scheduling")
        readers = [self.status(name) for name in ("refinery", "projector")]
        if not directory or not scheduling or not all(readers):
            return False
        waiting = [directory["outbox"]["backlog"], scheduling["outbox"]["backlog"], scheduling["openings"]["backlog"]]
        shards = [shard for reader in readers for shard in reader["consumer"]["shards"]]
        waiting += (shard[name] for shard in shards for name in ("lag_ms", "in_flight"))
        return bool(shards) and not any(waiting) and directory["replay"]["state"] != "running"

    def tail(self) -> str:
        """Return the last 60 lines of the log, for error messages."""
        if self.log is None:
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-60:])


@contextlib.contextmanager
def running_platform(
    home: Path,
    *options: str,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    with_all_demo_data: bool = True,
) -> Iterator[Platform]:
    """Start `millrace up` with these options, wait until it is ready, and stop it at the end as Ctrl-C does.

    The demo data that are loaded after that are awaited too if `with_all_demo_data`.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    log = home / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(MILLRACE), "up", *options],
            env={
                **os.environ,
                "MILLRACE_HOME": str(home),
                "MILLRACE_PORT": str(port),
                "NO_COLOR": "1",
                **(environment or {}),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home,
        )
    platform = Platform(home, f"http://127.0.0.1:{port}", process, log)

    def ready() -> bool:
        assert process.poll() is None, f"millrace up ended with {process.returncode}:\n{platform.tail()}"
        return platform.is_healthy() and not (with_all_demo_data and (home / "demo.pending").exists())

    try:
        wait_for(ready, seconds=START_SECONDS, what="a ready platform")
        yield platform
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
