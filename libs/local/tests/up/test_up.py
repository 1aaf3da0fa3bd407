"""`millrace up` with real servers and edge, and stand-ins for the services."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import httpx
import pytest

from millrace_local.plugins import INIT
from millrace_local.routes import SERVICES

SECONDS = 90.0
SERVICE = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

UNSERVED = Path(__file__).parents[1] / "unserved"

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        generation = b"null" if UNSERVED.exists() else b"1"
        read_model = b'{"generation": %s, "as_of": {}}' % generation
        body = b'{"replay": {"state": "done"}, "next": null, "read_model": %s}' % read_model
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *_):
        if self.command == "POST" or self.path.endswith("/status"):
            print("asked for", self.path, flush=True)

ThreadingHTTPServer(("127.0.0.1", int(os.environ["MILLRACE_LISTEN_PORT"])), Handler).serve_forever()
"""


def write_stand_ins(directory: Path) -> None:
    """Write packages with the services' names that respond 200 to everything and have no provisioning steps.

    While `directory` contains a file `unserved`, they report no read model.
    """
    packages = [f"millrace_{service}" for service in SERVICES]
    for package in packages:
        (directory / package).mkdir(parents=True)
        (directory / package / "__init__.py").touch()
        (directory / package / "__main__.py").write_text(SERVICE)
    for entry_point in entry_points(group=INIT):
        package, _, rest = entry_point.module.partition(".")
        if package in packages:
            file = directory / package / Path(*rest.split(".")).with_suffix(".py")
            file.write_text(f"async def {entry_point.attr}() -> None: ...\n")


@dataclass
class Up:
    """A running `millrace up` in `home`."""

    process: subprocess.Popen[bytes]
    home: Path
    url: str
    log: Path

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def until_ready(self) -> None:
        self.until(lambda: answers(f"{self.url}/healthz"))

    def children(self) -> list[int]:
        """Return the supervisor's children, without their own children."""
        return list(map(int, Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()))

    def child(self, words: str) -> int:
        """Return the child whose command line contains `words`."""
        (found,) = (pid for pid in self.children() if words in command_line(pid))
        return found


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=5).status_code == 200
    return False


def command_line(process: int) -> str:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    write_stand_ins(tmp_path / "services")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    own = {"MILLRACE_HOME": str(tmp_path / "home"), "MILLRACE_PORT": str(port)}
    return {**os.environ, **own, "PYTHONPATH": str(tmp_path / "services")}


@contextlib.contextmanager
def started(environment: Mapping[str, str], demo_providers: int = 0) -> Iterator[Up]:
    home = Path(environment["MILLRACE_HOME"])
    home.mkdir(exist_ok=True)
    log = home / "up.log"
    command = [sys.executable, "-m", "millrace_local", "up", "--demo-providers", str(demo_providers)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Up(process, home, f"http://127.0.0.1:{environment['MILLRACE_PORT']}", log)
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def test_platform_starts_and_stops_in_order(environment: Mapping[str, str]) -> None:
    with started(environment) as up:
        up.until_ready()
        up.until((up.home / "platform.env").exists)
        assert httpx.get(f"{up.url}/v1/specialties").status_code == 200
        children = up.children()
        command = [sys.executable, "-m", "millrace_local", "up"]
        second = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=SECONDS)
        assert (second.returncode, b"a platform is running on" in second.stdout) == (1, True)
        assert up.children() == children
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(SECONDS) == 0
    assert not any(map(command_line, children))
    assert not (up.home / "platform.env").exists()
    assert up.log.read_text().endswith("stopped\n")


def test_later_start_is_ready_once_searches_work(environment: Mapping[str, str]) -> None:
    with started(environment) as up:
        up.until_ready()
    unserved = Path(environment["PYTHONPATH"]) / "unserved"
    unserved.touch()
    with started(environment, demo_providers=1) as up:
        up.until(lambda: "asked for /internal/projector/status" in up.log.read_text())
        assert not answers(f"{up.url}/healthz")
        unserved.unlink()
        up.until_ready()


def test_lost_ministack_state_is_replayed(environment: Mapping[str, str]) -> None:
    with started(environment) as up:
        up.until_ready()
        os.kill(up.child("ministack_main.py"), signal.SIGKILL)
        up.until(lambda: "asked for /internal/directory/replay" in up.log.read_text())
        os.kill(up.child("valkey-server"), signal.SIGKILL)
        up.until(lambda: "valkey is ready again" in up.log.read_text())
    assert up.log.read_text().count("asked for /internal/directory/replay") == 1


def test_killed_platform_leaves_no_process_and_starts_again(environment: Mapping[str, str]) -> None:
    with started(environment) as up:
        up.until_ready()
        children = up.children()
        assert len(children) == len(SERVICES) + len(("postgres", "valkey", "ministack", "edge"))
        up.process.kill()
        up.process.wait(SECONDS)
        up.until(lambda: not any(map(command_line, children)))
    with started(environment) as again:
        again.until_ready()
        requests = [f"asked for /internal/{owner}/replay" for owner in ("directory", "reviews")]
        again.until(lambda: all(each in again.log.read_text() for each in requests))
        assert "the data in ministack is out of date" in again.log.read_text()
