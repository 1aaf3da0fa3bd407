"""Dry runs of ecs/deploy.sh: the stacks that it would deploy, their templates and parameters."""

import os
import re
import subprocess

import pytest

from tests.deploy.names import ECS, SERVICES
from tests.deploy.templates import load
from tests.support.platform import run

GIVEN = {
    "MILLRACE_DOMAIN": "api.millrace.example",
    "MILLRACE_CERTIFICATE_ARN": "arn:aws:acm:us-east-1:000000000000:certificate/1",
    "MILLRACE_IMAGES": "000000000000.dkr.ecr.us-east-1.amazonaws.com/millrace",
    "MILLRACE_TAG": "1.2.3",
}


def script(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `ecs/deploy.sh` in an environment without the AWS command line."""
    command = ["/bin/bash", str(ECS / "deploy.sh"), *arguments]
    return run(command, seconds=60, environment={"PATH": os.defpath, **variables})


def stacks(output: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Return template and parameters of each stack of a dry run, in order."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for line in output.splitlines():
        if match := re.fullmatch(r"stack (\S+) from ecs/(\S+)", line):
            found[match[1]] = (match[2], {})
            current = match[1]
        elif line.startswith("    "):
            name, _, value = line.strip().partition("=")
            found[current][1][name] = value
    return found


def test_dry_run_gives_each_template_its_parameters() -> None:
    whole, beside = script("--dry-run", "prod", **GIVEN), script("--dry-run", "prod", "adopt", **GIVEN)
    assert whole.returncode == beside.returncode == 0, whole.stderr
    deployed = stacks(whole.stdout)
    for stack, (template, parameters) in [*deployed.items(), *stacks(beside.stdout).items()]:
        wanted = load(ECS / template)["Parameters"]
        required = {name for name, parameter in wanted.items() if "Default" not in parameter}
        assert required <= parameters.keys() <= wanted.keys(), stack
    templates = {template for template, _ in deployed.values()}
    assert templates == {
        "network.yml",
        "platform.yml",
        "service.yml",
        *(f"data/{path.name}" for path in (ECS / "data").glob("*.yml")),
        *(f"access/{service}.yml" for service in SERVICES),
    }


def test_exporting_stacks_come_before_importing_ones() -> None:
    order = [stack.removeprefix("millrace-prod-ecs-") for stack in stacks(script("--dry-run", "prod", **GIVEN).stdout)]
    assert order.index("network") < order.index("database") < order.index("directory-access") < order.index("directory")
    assert order.index("alarms") < order.index("service-alarms") < order.index("search")
    assert order.index("platform") < order.index("search")


@pytest.mark.parametrize("missing", ["MILLRACE_DOMAIN", "MILLRACE_IMAGES", "MILLRACE_TAG"])
def test_script_names_missing_requirements(missing: str) -> None:
    given = {name: value for name, value in GIVEN.items() if name != missing}
    done = script("--dry-run", "dev", "services/search", **given)
    assert done.returncode == 1
    assert done.stderr.startswith(missing)


@pytest.mark.parametrize("arguments", [[], ["production"], ["--force", "dev"], ["dev", "everything"]])
def test_script_prints_its_usage(arguments: list[str]) -> None:
    done = script("--dry-run", *arguments, **GIVEN)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage:")


def test_script_names_an_unknown_part() -> None:
    done = script("--dry-run", "dev", "services/searhc", **GIVEN)
    assert done.returncode == 1
    assert "ecs/services/searhc" in done.stderr


def test_priorities_of_rules_differ() -> None:
    deployed = stacks(script("--dry-run", "dev", "services", **GIVEN).stdout)
    priorities = [parameters["Priority"] for _, parameters in deployed.values() if "Priority" in parameters]
    assert len(priorities) == len(set(priorities)) == 6
