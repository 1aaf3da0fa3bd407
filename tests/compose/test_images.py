"""The images: their contents, their size and the permissions that they don't need."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.compose.stack import SERVICES, Stack
from tests.support.platform import REPOSITORY

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

OURS_MEGABYTES = 176
"""Megabytes that an image may add to python:3.13-slim on disk."""
INSTALLED = """
import importlib.metadata, json
print(json.dumps({found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}))
"""
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108


def image(service: str) -> str:
    return f"millrace/{service}:local"


@cache
def inspected(name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(docker("image", "inspect", name))
    return found[0]


def docker(*arguments: str) -> str:
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stderr[-4000:]}"
    return done.stdout


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("service", SERVICES)
def test_image_runs_as_the_manifests_say(stack: Stack, service: str) -> None:
    configured = inspected(image(service))["Config"]
    assert configured["User"] == "10001:10001"
    assert configured["Entrypoint"] == ["python"]
    assert configured["Healthcheck"]["Test"][:2] == ["CMD", "python"]
    assert configured["Labels"]["org.opencontainers.image.title"] == f"millrace/{service}"
    assert {"version", "revision", "licenses", "description"} <= {
        label.rpartition(".")[2] for label in configured["Labels"] if label.startswith("org.opencontainers.image.")
    }


@pytest.mark.parametrize("service", SERVICES)
def test_image_is_small(stack: Stack, service: str) -> None:
    added = inspected(image(service))["Size"] - inspected("python:3.13-slim")["Size"]
    assert added < OURS_MEGABYTES * 1000**2


@pytest.mark.parametrize("service", SERVICES)
def test_image_contents_match_lock_and_inventory(stack: Stack, tmp_path: Path, service: str) -> None:
    """Check that it contains no other service, no build tool and no version other than the lock's."""
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
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("MILLRACE_LISTEN_PORT: ")
