"""cfn-lint and checkov have no findings in our templates, except those that are excepted with a reason."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.copilot import Packages
from tests.deploy.names import COPILOT, ECS, ENVIRONMENTS, REPOSITORY, SERVICES
from tests.deploy.templates import Evaluation, exports, load
from tests.deploy.tools import run

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]

TEMPLATES = sorted(
    path
    for folder in (ECS, ECS / "data", ECS / "access", COPILOT / "environments" / "addons")
    for path in folder.glob("*.yml")
    if path.name != "addons.parameters.yml"
)
PACKAGED_EXCEPTIONS = {"E3676": "an internal HTTPS listener without certificates; its condition requires certificates"}
"""Findings of cfn-lint in Copilot's own templates, with the reason why they are harmless."""


def test_cfn_lint_finds_nothing_in_our_templates() -> None:
    done = run("cfn-lint", "--include-checks", "I", "--ignore-checks", "I3042", "--", *map(str, TEMPLATES))
    assert done.stdout == ""


def checkov(folder: Path) -> dict[str, Any]:
    """Return checkov's findings in all templates below a folder."""
    options = ("--framework", "cloudformation", "--output", "json", "--skip-download")
    report: dict[str, Any] = json.loads(run("checkov", "--directory", str(folder), *options).stdout)
    return report


@pytest.mark.parametrize("folder", [ECS, COPILOT], ids=["ecs", "copilot"])
def test_checkov_finds_only_explained_exceptions(folder: Path) -> None:
    report = checkov(folder)
    assert report["results"]["failed_checks"] == []
    assert report["results"]["parsing_errors"] == []
    assert report["summary"]["passed"] > 100


def test_checkov_exceptions_have_reasons_and_are_needed() -> None:
    skipped = {(check["check_id"], check["resource"]) for check in checkov(ECS)["results"]["skipped_checks"]}
    written = set()
    for template in TEMPLATES:
        if ECS in template.parents:
            for name, resource in load(template).get("Resources", {}).items():
                for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                    assert len(skip["comment"]) > 20
                    written.add((skip["id"], f"{resource['Type']}.{name}"))
    assert skipped == written


def test_copilot_packages_every_environment_and_service(packages: Packages) -> None:
    assert packages.failures == {}
    made = [packages.environment(name) for name in ENVIRONMENTS]
    made += [packages.service(service, name) for service in SERVICES for name in ENVIRONMENTS]
    assert all(path.exists() for path in made)


def test_cfn_lint_finds_no_error_in_packaged_templates(packages: Packages) -> None:
    chosen = [packages.environment("prod"), *(packages.service(service, "prod") for service in SERVICES)]
    ignored = ["--ignore-checks", "W", *PACKAGED_EXCEPTIONS]
    done = run("cfn-lint", *ignored, "--", *map(str, chosen))
    assert done.stdout == ""


def test_copilots_functions_run_on_a_supported_node(packages: Packages) -> None:
    runtimes = [
        resource["Properties"]["Runtime"]
        for path in packages.templates()
        for resource in load(path).get("Resources", {}).values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    assert set(runtimes) == {"nodejs24.x"}
    assert len(runtimes) >= len(ENVIRONMENTS) * (1 + 2 * len(SERVICES))


def test_addons_equal_the_ecs_templates() -> None:
    pairs = [(ECS / "data" / path.name, path) for path in (COPILOT / "environments" / "addons").glob("*.yml")]
    pairs = [(own, addon) for own, addon in pairs if addon.name != "addons.parameters.yml"]
    assert {own.name for own, _ in pairs} == {path.name for path in (ECS / "data").glob("*.yml")}
    pairs += [(ECS / "access" / f"{s}.yml", COPILOT / s / "addons" / "access.yml") for s in SERVICES]
    different = [f"cp {a.relative_to(REPOSITORY)} {b.relative_to(REPOSITORY)}" for a, b in pairs if not same(a, b)]
    assert different == []


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_policies_name_resources_where_aws_allows(template: Path) -> None:
    nameless = re.compile(r"^(ecr:GetAuthorizationToken|xray:.*|ssmmessages:.*)$")
    for resource in load(template).get("Resources", {}).values():
        properties = resource.get("Properties", {})
        documents = [properties["PolicyDocument"]] if resource["Type"] == "AWS::IAM::ManagedPolicy" else []
        for policy in properties.get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []:
            documents.append((policy if "PolicyDocument" in policy else policy["Fn::If"][2])["PolicyDocument"])
        for document in documents:
            for statement in document["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert not any("*" in action for action in actions)
                assert statement["Resource"] != "*" or all(map(nameless.match, actions))


def test_copilot_and_ecs_can_coexist(packages: Packages) -> None:
    environment = load(packages.environment("prod"))
    theirs = {
        Evaluation(environment, {"AWS::StackName": "millrace-prod"}).value(output["Export"]["Name"])
        for output in environment["Outputs"].values()
        if "Export" in output
    }
    names = {"App": "millrace", "Env": "prod"}
    assert not theirs & exports(load(ECS / "platform.yml"), names).keys()
    assert not theirs & exports(load(ECS / "adopt.yml"), names).keys()
    # Resources that adopt.yml leaves to Copilot's environment.
    given = exports(load(ECS / "network.yml"), names).keys() - exports(load(ECS / "adopt.yml"), names).keys()
    assert given - {"millrace-prod-Cidr"} <= theirs
    assert "millrace-prod-EnvironmentSecurityGroup" in theirs
