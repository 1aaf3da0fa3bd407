"""The container images: their contents, their size, and that they run without further permissions."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.compose.stack import SERVICES, Stack
from tests.support.platform import REPOSITORY, run

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

ADDED_MEGABYTES = 176
"""Maximum size of an image on disk without its base image python:3.13-slim, in MB."""
INSTALLED = """
import importlib.metadata, json
print(json.dumps({found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}))
"""
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108


def image(service: str) -> str:
    return f"millrace/{service}:local"


@cache
def inspect(name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(docker("image", "inspect", name))
    return found[0]


def docker(*arguments: str) -> str:
    """Run `docker` and return its output; raise AssertionError if it fails."""
    done = run(("docker", *arguments), seconds=600)
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stderr[-4000:]}"
    return done.stdout


def canonical(name: str) -> str:
    """Return the normalized name of a Python distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("service", SERVICES)
def test_image_runs_as_the_manifests_say(stack: Stack, service: str) -> None:
    configured = inspect(image(service))["Config"]
    assert configured["User"] == "10001:10001"
    assert configured["Entrypoint"] == ["python"]
    assert configured["Healthcheck"]["Test"][:2] == ["CMD", "python"]
    assert configured["Labels"]["org.opencontainers.image.title"] == f"millrace/{service}"
    assert {"version", "revision", "licenses", "description"} <= {
        label.rpartition(".")[2] for label in configured["Labels"] if label.startswith("org.opencontainers.image.")
    }


@pytest.mark.parametrize("service", SERVICES)
def test_image_is_small(stack: Stack, service: str) -> None:
    added = inspect(image(service))["Size"] - inspect("python:3.13-slim")["Size"]
    assert added < ADDED_MEGABYTES * 1000**2


@pytest.mark.parametrize("service", SERVICES)
def test_image_contents_match_lock_and_inventory(stack: Stack, tmp_path: Path, service: str) -> None:
    """Check that the image has no other service, no build tool and only versions of the lock, all in its SBOM."""
    listed = docker("run", "--rm", *CONFINED, image(service), "-c", INSTALLED)
    installed = {canonical(name): version for name, version in json.loads(listed).items()}
    lock = re.findall(r"^([A-Za-z0-9._-]+)==([^ ]+)", (REPOSITORY / "requirements.lock").read_text(), re.MULTILINE)
    ours = {name for name in installed if name.startswith("millrace-")}
    assert ours & {f"millrace-{other}" for other in SERVICES} == {f"millrace-{service}"}
    assert {(name, version) for name, version in installed.items() if name not in ours} <= set(lock)
    assert not installed.keys() & {"pip", "uv", "hatchling", "pytest", "cyclonedx-bom"}

    built = ("--build-arg", f"SERVICE={service}", "--file", str(REPOSITORY / "services" / "Dockerfile"))
    docker("build", "--quiet", "--target", "sbom", *built, "--output", str(tmp_path), str(REPOSITORY))
    inventory = json.loads((tmp_path / f"{service}.json").read_text())
    assert inventory["bomFormat"] == "CycloneDX"
    assert {canonical(each["name"]): each["version"] for each in inventory["components"]} == installed


def test_invalid_setting_is_named_by_a_confined_service(stack: Stack) -> None:
    command = (image("search"), "-m", "millrace_search")
    arguments = ("run", "--rm", *CONFINED, "--env", "MILLRACE_LISTEN_PORT=none", *command)
    done = run(("docker", *arguments), seconds=60)
    assert done.returncode == 2
    assert done.stderr.startswith("MILLRACE_LISTEN_PORT: ")
