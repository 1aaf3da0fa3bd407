"""`$MILLRACE_HOME`: the directory with the state of a local platform and its variables for other commands."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

DEFAULT_HOME = ".millrace"
LOCK_POLL_SECONDS = 0.1


class HomeInUseError(RuntimeError):
    """Another platform runs on this home; the text states the remedy."""


class Home:
    """The files and directories of one home directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.postgres = root / "postgres"
        self.valkey = root / "valkey"
        self.aws = root / "aws"
        self.master_key = root / "patients-master-key"
        """The master key of personal data, created by `init`; without it the patients' database can't be read."""
        self.webhook_key = root / "notifications-webhook-key"
        """The key from which webhook secrets are derived, created by `init`; without it practices need new secrets."""
        self.audit_key = root / "audit-key"
        """The key of the audit trails of visits and reviews, created by `init`; without it they can't be verified."""
        self.audit_anchors = root / "audit-anchors"
        """Files with the anchors of all audit trails; copy them elsewhere."""
        self.demo = root / "demo"
        self.demo_pending = root / "demo.pending"
        """An empty file that exists from the creation of the home until its demo data are loaded."""
        self.demo_decided = root / "demo.decided"
        """An empty file, used only in containers, that exists once demo data are loaded or were declined."""
        self.heartbeat = root / "emulator.beat"
        """The number of the last heartbeat that the AWS emulator acknowledged; see `containers.emulator`."""
        self.variables = root / "platform.env"
        """The environment of the running platform as `NAME=value` lines; exists only while the platform is ready."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Home":
        """Return the home that `MILLRACE_HOME` names, by default `.millrace` in the working directory."""
        return cls(Path(environment.get("MILLRACE_HOME") or DEFAULT_HOME).absolute())

    def write_variables(self, variables: Mapping[str, str]) -> None:
        """Write the platform's variables, readable by the current user only, because they contain a password."""
        unfinished = self.variables.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in sorted(variables.items()))
        unfinished.replace(self.variables)

    def load_variables(self, environment: MutableMapping[str, str]) -> None:
        """Add the variables of the running platform to `environment`, without changing existing ones.

        AWS variables are the exception: they replace all existing ones. A local endpoint with a
        profile of the user would fail, and the reverse would reach a real account.
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

    def is_abandoned(self) -> bool:
        """Return whether a platform of this home was killed, so that its variables remain without a process."""
        if not self.variables.exists():
            return False
        try:
            descriptor = os.open(self.root / "up.lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False  # not the variables of a platform that `up` started, or of another user's
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    @contextmanager
    def locked(self, timeout: float) -> Iterator[int]:
        """Lock this home against other platforms; yield the lock's descriptor, for children to inherit.

        The lock is free when *every* process that has the descriptor has exited. If the platform itself was killed,
        its children may need a moment to stop: wait up to `timeout` seconds for them. Raise HomeInUseError.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor, timeout)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield descriptor
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
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
