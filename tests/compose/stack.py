"""A platform in Docker Compose for tests, with its own project name and port; removed with its volumes afterwards."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.platform import REPOSITORY, Platform, run, wait_for

PROJECT = "millrace-test"
FILES = ("compose.yaml", "tests/compose/ports.yaml")
START_SECONDS = 900.0
"""Seconds, including building the images."""
SERVICES = ("refinery", "projector", "directory", "patients", "scheduling", "reviews", "notifications", "search")
STORES = ("postgres", "valkey", "ministack")
AUTHORITY = "/certificates/ca.pem"
HELPERS = ("operator", "edge", "nginx")


def missing_requirement() -> str | None:
    """Return one line that says what is missing to run Docker Compose, or None."""
    if shutil.which("docker") is None:
        return "docker is not installed: https://docs.docker.com/engine/install/"
    commands = {"docker info": ("info",), "docker compose version": ("compose", "version")}
    for command, arguments in commands.items():
        done = run(("docker", *arguments), seconds=60)
        if done.returncode != 0:
            return f"`{command}` says: {done.stderr.strip()}"
    return None


@dataclass
class Stack:
    """A platform in containers. `port` is the load balancer's on loopback, `home` the directory of `platform.env`."""

    port: int
    home: Path
    demo_providers: int
    platform: Platform = field(init=False)

    def __post_init__(self) -> None:
        command = ("docker", "compose", "exec", "--no-TTY", "operator", "millrace")
        self.platform = Platform(
            self.home, f"http://127.0.0.1:{self.port}", command=command, environment=self.environment
        )

    @property
    def authority(self) -> Path:
        """The certificate that verifies all containers, which are named by the loopback address too."""
        return self.home / "ca.pem"

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the environment in which `docker compose` uses this stack."""
        return {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "COMPOSE_FILE": os.pathsep.join(str(REPOSITORY / name) for name in FILES),
            "COMPOSE_PROGRESS": "plain",
            "MILLRACE_PORT": str(self.port),
            "MILLRACE_DEMO_PROVIDERS": str(self.demo_providers),
        }

    def compose(self, *arguments: str, seconds: float = 120.0) -> str:
        """Run `docker compose` and return its output; raise AssertionError with its errors if it fails."""
        done = self.run(("docker", "compose", *arguments), seconds)
        assert done.returncode == 0, (
            f"docker compose {' '.join(arguments)}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
        return done.stdout

    def run(self, command: Sequence[str], seconds: float) -> "subprocess.CompletedProcess[str]":
        """Run a command in this stack's environment."""
        return run(command, seconds=seconds, environment=self.environment, cwd=REPOSITORY)

    def up(self) -> None:
        """Start the stack as a user does and wait until it is healthy."""
        self.compose("up", "--build", "--detach", "--wait", "--quiet-pull", seconds=START_SECONDS)
        self.publish()

    def down(self, *arguments: str) -> None:
        self.compose("down", "--timeout", "60", *arguments, seconds=300.0)

    def address(self, container: str, port: int) -> str:
        """Return the address on loopback at which the container's port is published."""
        return self.compose("port", container, str(port)).split()[0]

    def publish(self) -> None:
        """Write `platform.env` again, with loopback addresses: ports change with each start."""
        found = json.loads(self.compose("config", "--format", "json"))["services"]["operator"]["environment"]
        variables = {name: self._with_loopback_ports(value) for name, value in found.items()}
        variables |= {name: str(self.authority) for name in ("MILLRACE_TLS_CA", "PGSSLROOTCERT")}
        self.home.mkdir(parents=True, exist_ok=True)
        self.authority.write_text(self.compose("exec", "--no-TTY", "operator", "cat", AUTHORITY))
        self.platform.home.joinpath("platform.env").write_text("".join(f"{k}={v}\n" for k, v in variables.items()))

    def _with_loopback_ports(self, value: str) -> str:
        def loopback(match: "re.Match[str]") -> str:
            return self.address(match[1], int(match[2]))

        return re.sub(rf"\b({'|'.join((*SERVICES, *STORES))}):([0-9]{{4}})\b", loopback, value)

    def wait_until_healthy(self, container: str) -> None:
        """Wait for a container's health check, then for the platform's, which notices an outage later."""

        def checked() -> bool:
            states: list[Any] = [
                json.loads(line) for line in self.compose("ps", "--format", "json", container).splitlines()
            ]
            return bool(states) and all(state["Health"] == "healthy" for state in states)

        wait_for(checked, seconds=120, what=f"a healthy {container}")
        wait_for(self.platform.is_healthy, seconds=120, what="a healthy platform")

    def logs(self) -> str:
        """Return the last 40 log lines of each container."""
        return self.run(("docker", "compose", "logs", "--no-color", "--tail", "40"), 60.0).stdout


def require_docker() -> None:
    if (reason := missing_requirement()) is not None:
        pytest.exit(f"make compose-test needs a Docker engine and the Compose plugin. {reason}", returncode=1)
