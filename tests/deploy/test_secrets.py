"""A service's tasks start with its own secrets only; for both ways of deployment."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.deploy.copilot import Packages
from tests.deploy.names import ACCOUNT, APP, DOMAIN, ECS, REGION, SERVICES
from tests.deploy.parity import ADAPTERS, ENVIRONMENT
from tests.deploy.templates import load, resources

OWN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{APP}/{ENVIRONMENT}/"
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{APP}/{ENVIRONMENT}/collector"


def starting_role(way: str, service: str, request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """Return the role with which Fargate starts a service's tasks."""
    if way == "ecs":
        own = json.loads((ECS / "services" / f"{service}.json").read_text())
        template, parameters = ECS / "service.yml", {"App": APP, "Env": ENVIRONMENT, "Domain": DOMAIN, **own}
    else:
        packages: Packages = request.getfixturevalue("packages")
        template = packages.service(service, ENVIRONMENT)
        parameters = packages.parameters(template)
    return dict(resources(load(template), "AWS::IAM::Role", parameters))["ExecutionRole"]


def allowed(role: Mapping[str, Any], action: str) -> Iterator[str]:
    """Yield the resources on which a role may take an action."""
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if statement["Effect"] == "Allow" and action in actions:
                listed = statement["Resource"]
                yield from listed if isinstance(listed, list) else [listed]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("way", ["ecs", "copilot"])
def test_tasks_start_with_the_secrets_of_their_service_only(
    way: str, service: str, request: pytest.FixtureRequest
) -> None:
    role = starting_role(way, service, request)
    # A caller also has the keys of its requests, which belong to the called service.
    exports = {source for source in ADAPTERS["ecs"](service).secrets.values() if source.startswith("<export ")}
    others = {source for source in exports if source.endswith("KeysArn>") and f"-{service}-" not in source}
    assert set(allowed(role, "secretsmanager:GetSecretValue")) == {f"{OWN}{service}/*", *others}
    assert set(allowed(role, "ssm:GetParameters")) == {PARAMETER}


def test_each_service_has_a_secret_for_its_certificate() -> None:
    parameters = {"App": APP, "Env": ENVIRONMENT}
    template = load(ECS / "data" / "certificates.yml")
    secrets = [secret for _, secret in resources(template, "AWS::SecretsManager::Secret", parameters)]
    assert sorted(secret["Name"] for secret in secrets) == sorted(f"{APP}/{ENVIRONMENT}/{s}/tls" for s in SERVICES)
    # Copilot's agent may read only secrets with these tags.
    for secret in secrets:
        assert {tag["Key"] for tag in secret["Tags"]} == {"copilot-application", "copilot-environment"}


def test_secrets_are_named_after_the_service_that_owns_them() -> None:
    for service in SERVICES:
        template = load(ECS / "access" / f"{service}.yml")
        parameters = {"App": APP, "Env": ENVIRONMENT, "Name": service}
        for _, secret in resources(template, "AWS::SecretsManager::Secret", parameters):
            assert secret["Name"].startswith(f"{APP}/{ENVIRONMENT}/{service}/")
