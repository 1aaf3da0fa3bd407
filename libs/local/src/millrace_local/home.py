"""`$MILLRACE_HOME`: where a local platform keeps its state, and what other commands read from there."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOME = ".millrace"
LOCK_POLL_SECONDS = 0.1


class HomeInUseError(RuntimeError):
    """Another platform runs on this home; the text says how to go on."""


@dataclass(frozen=True, slots=True)
class Home:
    """The places below one home directory."""

    root: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Home":
        """The home that `MILLRACE_HOME` names, else `.millrace` in the working directory."""
        return cls(Path(environment.get("MILLRACE_HOME") or DEFAULT_HOME).absolute())

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    @property
    def aws(self) -> Path:
        return self.root / "aws"

    @property
    def ministack(self) -> Path:
        return self.root / "ministack"

    @property
    def master_key(self) -> Path:
        """The key of personal data: `init` makes it, and without it the database of patients is closed for ever."""
        return self.root / "patients-master-key"

    @property
    def webhook_key(self) -> Path:
        """The key that secrets of webhooks come from: `init` makes it, and without it practices need new secrets."""
        return self.root / "notifications-webhook-key"

    @property
    def demo(self) -> Path:
        return self.root / "demo"

    @property
    def demo_pending(self) -> Path:
        """There from the making of the home until its demo data are in."""
        return self.root / "demo.pending"

    @property
    def demo_decided(self) -> Path:
        """In containers: there once a new platform has its demo data, or was to have none."""
        return self.root / "demo.decided"

    @property
    def beat(self) -> Path:
        """In containers: the last beat that the AWS emulator was told; see `containers.emulator`."""
        return self.root / "emulator.beat"

    @property
    def variables(self) -> Path:
        """The environment of the running platform; there only while it is ready."""
        return self.root / "platform.env"

    def write_variables(self, variables: Mapping[str, str]) -> None:
        """Publish how to reach the platform, readable by us alone: there is a password in it."""
        unfinished = self.variables.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in sorted(variables.items()))
        unfinished.replace(self.variables)

    def load_variables(self, environment: MutableMapping[str, str]) -> None:
        """Add what the running platform published to `environment`, without changing what is set there.

        AWS variables are the exception: they come as a set and replace what is there. An endpoint of ours with a
        profile of the user's fails, and the other way round a command for this machine would reach a real account.
        """
        try:
            lines = self.variables.read_text().splitlines()
        except FileNotFoundError:
            return
        for name in [name for name in environment if name.startswith("AWS_")]:
            del environment[name]
        for line in lines:
            name, separator, value = line.partition("=")
            if separator:
                environment.setdefault(name, value)

    @contextmanager
    def locked(self, patience: float) -> Iterator[int]:
        """Keep other platforms off this home. Gives the lock's descriptor, for children to inherit.

        The lock is free when *every* process that holds the descriptor is gone. Where the platform itself was killed,
        its children may need a moment to stop: wait up to `patience` seconds for them. Raises HomeInUseError.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor, patience)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield descriptor
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            if _is_alive(owner):
                raise HomeInUseError(
                    f"a platform is running on {self.root} already (process {owner}). "
                    "Stop it first, or start another one with MILLRACE_HOME and MILLRACE_PORT."
                )
            if time.monotonic() > deadline:
                raise HomeInUseError(f"processes of an earlier platform on {self.root} have not stopped yet.")
            time.sleep(LOCK_POLL_SECONDS)


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
