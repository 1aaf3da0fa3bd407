"""Images are deployed by digest, since a tag may move between a deployment and a rollback, and have what they use."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.copilot import Packages
from tests.deploy.names import COPILOT, DOCKERFILE, ECS, ENVIRONMENTS, REPOSITORY, SERVICES
from tests.deploy.templates import Evaluation, load
from tests.deploy.test_deploy_script import GIVEN, script, stacks
from tests.support.platform import run

DIGEST = "sha256:" + "a1" * 32
PINNED = re.compile(r"\S+@sha256:[0-9a-f]{64}")


def test_ecs_takes_every_image_from_a_parameter() -> None:
    containers = load(ECS / "service.yml")["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    assert [each["Image"] for each in containers] == [{"Ref": f"{name}Image"} for name in ("", "Collector", "Router")]
    for _, (template, parameters) in stacks(script("--dry-run", "prod", "services", **GIVEN).stdout).items():
        assert template == "service.yml"
        images = [value for name, value in parameters.items() if name.endswith("Image")]
        assert len(images) == 3
        assert all("@<digest of " in image for image in images)


@pytest.mark.parametrize("service", SERVICES)
def test_copilot_takes_every_image_from_the_shell(service: str) -> None:
    manifest = yaml.safe_load((COPILOT / service / "manifest.yml").read_text())
    assert manifest["image"]["location"] == f"${{MILLRACE_{service.upper()}_IMAGE}}"
    images = {name: sidecar["image"] for name, sidecar in manifest["sidecars"].items()}
    assert images == {"collector": "${MILLRACE_COLLECTOR_IMAGE}"}


@pytest.mark.deploy
def test_packaged_services_have_digests(packages: Packages) -> None:
    for service in SERVICES:
        for environment in ENVIRONMENTS:
            template = packages.service(service, environment)
            evaluation = Evaluation(loaded := load(template), packages.parameters(template))
            containers = loaded["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
            assert all(PINNED.fullmatch(evaluation.value(each["Image"])) for each in containers)


def image(directory: Path, answer: str) -> subprocess.CompletedProcess[str]:
    """Run `ecs/image.sh search 1.2.3` with a stand-in of the AWS command line that prints an answer."""
    aws = directory / "aws"
    aws.write_text(f"#!/bin/sh\necho '{answer}'\n")
    aws.chmod(0o755)
    environment = {"PATH": f"{directory}:{os.defpath}", "MILLRACE_IMAGES": GIVEN["MILLRACE_IMAGES"]}
    return run(["/bin/bash", str(ECS / "image.sh"), "search", "1.2.3"], seconds=30, environment=environment)


def test_script_prints_the_digest_of_a_tag(tmp_path: Path) -> None:
    assert image(tmp_path, DIGEST).stdout == f"{GIVEN['MILLRACE_IMAGES']}/search@{DIGEST}\n"


def test_script_refuses_a_tag_without_a_digest(tmp_path: Path) -> None:
    done = image(tmp_path, "None")
    assert (done.returncode, done.stdout) == (1, "")
    assert "millrace/search has no image with the tag 1.2.3" in done.stderr


def test_images_have_the_models_of_all_aws_services_that_are_called() -> None:
    sources = [path for folder in ("libs", "services") for path in (REPOSITORY / folder).glob("*/src/**/*.py")]
    calls = [node for path in sources for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
    called = {
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "create_client"
    }
    _, _, rest = DOCKERFILE.read_text().partition("find botocore/data ")
    left = re.findall(r"! -name (\w+)", rest.partition("-exec")[0])
    # botocore itself calls STS for the credentials of a web identity.
    assert set(left) == called | {"sts"}
