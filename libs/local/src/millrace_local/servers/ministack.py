"""AWS on loopback: ministack, in its own environment because it pins another version of botocore.

`python -m millrace_local.servers.ministack` installs it.
"""

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
SERVICES = "kinesis,dynamodb,kms,sts,ses"  # provides version 2 of the last one
INSTALL_SECONDS = 300.0
# ministack accepts any credentials; botocore requires some.
CREDENTIALS: Mapping[str, str] = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
}


class InstallationError(RuntimeError):
    """ministack's environment could not be built; the text is uv's output."""


@dataclass(frozen=True, slots=True)
class Ministack:
    """One AWS emulator (ministack): its Python environment (may be shared), its state in `directory`, and its port.

    The state is written at a clean stop only. If the file `running` exists at the next start, the last process
    didn't stop cleanly, and the stored state lacks acknowledged writes.
    """

    environment: Path
    directory: Path
    port: int
    services: str = SERVICES

    @property
    def endpoint(self) -> str:
        """The URL for AWS clients."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def marker(self) -> Path:
        return self.directory / "running"

    def prepare(self) -> None:
        """Create the directories and install ministack unless the locked version is. Raise InstallationError."""
        (self.directory / "state").mkdir(parents=True, exist_ok=True)
        (self.directory / "tmp").mkdir(exist_ok=True)
        install(self.environment)

    def spec(self) -> ProcessSpec:
        """Return the server process."""
        variables = {
            **CREDENTIALS,
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.directory / "state"),
            "TMPDIR": str(self.directory / "tmp"),
            "SERVICES": self.services,
            "LOG_LEVEL": "WARNING",
            # ministack removes the containers of any ministack from the Docker that it finds, so hide Docker from it.
            "DOCKER_HOST": f"unix://{self.directory}/no-docker",
            # Its environment is only used here: modules are compiled when they are first imported.
            "PYTHONDONTWRITEBYTECODE": "",
        }
        return ProcessSpec(
            name="ministack",
            command=(str(self.environment / "bin" / "python"), "-P", str(MAIN)),
            ready=http_probe(f"{self.endpoint}/_ministack/health"),
            environment=variables,
            stop_seconds=60.0,  # it writes its whole state
        )


def environment_directory() -> Path:
    """Return the directory of ministack's Python environment: part of ours, so that all homes share it."""
    return Path(sys.prefix) / "ministack"


def is_installed(environment: Path) -> bool:
    """Return whether ministack's Python environment has the packages of the lock file."""
    stamp = environment / "installed.sha256"
    return stamp.exists() and stamp.read_text() == _locked()


def install(environment: Path) -> None:
    """Install the locked packages in ministack's Python environment unless they are. May run concurrently.

    Raise InstallationError.
    """
    environment.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{environment}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if is_installed(environment):
            return
        _uv("venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(environment))
        python = str(environment / "bin" / "python")
        hashed = ("--require-hashes", "--requirement", str(LOCK))
        _uv("pip", "install", "--quiet", "--compile-bytecode", "--python", python, *hashed)
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


if __name__ == "__main__":
    install(environment_directory())
