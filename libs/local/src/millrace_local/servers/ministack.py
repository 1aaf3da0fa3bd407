"""AWS on loopback: ministack, in an environment of its own because it pins another botocore than ours."""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from millrace_local.ports import LOOPBACK
from millrace_local.process import ProcessSpec, http_probe

LOCK = Path(__file__).parents[1] / "ministack.lock"
MAIN = Path(__file__).with_name("ministack_main.py")
SERVICES = "kinesis,dynamodb,kms,sts,ses"  # version 2 of the last comes with it
INSTALL_SECONDS = 300.0
# ministack takes any credentials; botocore insists on some.
CREDENTIALS: Mapping[str, str] = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
}


class InstallationError(RuntimeError):
    """ministack's environment could not be built; the text is what uv said."""


@dataclass(frozen=True, slots=True)
class Ministack:
    """One ministack: its environment (may be shared), its state, and its port.

    The state is written at a clean stop only. A `running` marker beside it tells the next start that the last one
    didn't stop cleanly, so that what is stored is older than what was acknowledged.
    """

    environment: Path
    directory: Path
    port: int
    services: str = SERVICES

    @property
    def endpoint(self) -> str:
        """What AWS clients connect to."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def marker(self) -> Path:
        return self.directory / "running"

    def prepare(self) -> None:
        """Make the directories, and the environment unless it is as the lock says. Raises InstallationError."""
        (self.directory / "state").mkdir(parents=True, exist_ok=True)
        (self.directory / "tmp").mkdir(exist_ok=True)
        install(self.environment)

    def spec(self) -> ProcessSpec:
        """The server process."""
        variables = {
            **CREDENTIALS,
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.directory / "state"),
            "TMPDIR": str(self.directory / "tmp"),
            "SERVICES": self.services,
            "LOG_LEVEL": "WARNING",
            # ministack removes its containers from the Docker it finds, another ministack's too: show it none.
            "DOCKER_HOST": f"unix://{self.directory}/no-docker",
            # Its environment is ours: what it imports is compiled once, and the most of it never.
            "PYTHONDONTWRITEBYTECODE": "",
        }
        return ProcessSpec(
            name="ministack",
            command=(str(self.environment / "bin" / "python"), "-P", str(MAIN)),
            ready=http_probe(f"{self.endpoint}/_ministack/health"),
            environment=variables,
            stop_seconds=60.0,  # it writes its whole state
        )


def is_installed(environment: Path) -> bool:
    """Whether ministack's environment is there as locked."""
    stamp = environment / "installed.sha256"
    return stamp.exists() and stamp.read_text() == _locked()


def install(environment: Path) -> None:
    """Build ministack's environment unless it is there as locked. Raises InstallationError. Several may run at once."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{environment}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if is_installed(environment):
            return
        _uv("venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(environment))
        python = str(environment / "bin" / "python")
        _uv("pip", "install", "--quiet", "--require-hashes", "--python", python, "--requirement", str(LOCK))
        (environment / "installed.sha256").write_text(_locked())


def _locked() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def _uv(*arguments: str) -> None:
    from uv import find_uv_bin  # noqa: PLC0415 - in a container there is neither uv nor a need of it

    try:
        done = subprocess.run(  # noqa: S603 - our own binary, no shell
            [find_uv_bin(), "--no-config", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InstallationError(f"uv {arguments[0]} did not end within {INSTALL_SECONDS:.0f} s") from error
    if done.returncode != 0:
        raise InstallationError(done.stderr.decode(errors="replace").strip())
