"""Tasks, load balancers and stores connect only to what they use; for both ways of deployment."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.copilot import Packages
from tests.deploy.names import APP, ECS, HTTP_SERVICES, SERVICES
from tests.deploy.parity import ADAPTERS, ENVIRONMENT, ON_AWS
from tests.deploy.templates import load, resources

PARAMETERS = {"App": APP, "Env": ENVIRONMENT, "Cidr": "10.20.0.0/16"}
ANYWHERE = {"0.0.0.0/0", "::/0"}
NOWHERE = "127.0.0.1/32"
STORES = {"Database": 5432, "Cache": 6379}
EXPORTED = f"<export {APP}-{ENVIRONMENT}-"
WITH_INTERNET = set(HTTP_SERVICES) - {"search"}
"""Services that verify access tokens at public routes: they fetch the user pool's keys."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way of deployment: its templates with security groups, each with the parameters of a deployment."""

    name: str
    templates: tuple[tuple[Path, Mapping[str, str]], ...]

    def resources(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, parameters in self.templates:
            yield from resources(load(path), kind, parameters)

    def egress(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each rule of outgoing connections with the name of its group."""
        for name, group in self.resources("AWS::EC2::SecurityGroup"):
            # Without such rules a group would allow all outgoing connections.
            assert group.get("SecurityGroupEgress"), f"{self.name}: {name}"
            yield from ((name, rule) for rule in group["SecurityGroupEgress"])
        for _, rule in self.resources("AWS::EC2::SecurityGroupEgress"):
            yield _group(rule["GroupId"]), rule


def _group(reference: str) -> str:
    """Return the logical name of a group that `Ref` or `GetAtt` names."""
    return reference.strip("<>").removesuffix(".GroupId")


STORE_TEMPLATES = tuple((ECS / "data" / f"{name}.yml", PARAMETERS) for name in ("database", "cache"))
"""Copilot deploys the same templates, see `test_addons_equal_the_ecs_templates`."""


@pytest.fixture(params=["ecs", "ecs beside Copilot", "copilot"])
def way(request: pytest.FixtureRequest) -> Way:
    """Return one way of deployment."""
    name = str(request.param)
    if name != "copilot":
        network = ECS / ("network.yml" if name == "ecs" else "adopt.yml")
        return Way(name, ((network, PARAMETERS), *STORE_TEMPLATES))
    packages: Packages = request.getfixturevalue("packages")
    environment = packages.environment(ENVIRONMENT)
    return Way(name, ((environment, packages.parameters(environment)), *STORE_TEMPLATES))


def test_only_one_group_connects_to_any_address(way: Way) -> None:
    # Copilot's network has no endpoints of AWS services.
    allowed = "EnvironmentSecurityGroup" if way.name == "copilot" else "InternetSecurityGroup"
    rules = [(name, rule) for name, rule in way.egress() if {rule.get("CidrIp"), rule.get("CidrIpv6")} & ANYWHERE]
    assert [name for name, _ in rules] == [allowed]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for _, rule in rules] == [("tcp", 443, 443)]


def test_other_connections_go_to_groups_or_lists_of_addresses(way: Way) -> None:
    for name, rule in way.egress():
        addresses = {rule.get("CidrIp"), rule.get("CidrIpv6")} - {None, NOWHERE} - ANYWHERE
        assert not addresses or (rule["IpProtocol"], rule["FromPort"]) == ("udp", 53), f"{name}: {rule}"


def test_load_balancer_connects_only_to_tasks(way: Way) -> None:
    rules = [rule for name, rule in way.egress() if "LoadBalancer" in name]
    assert rules
    for rule in rules:
        assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 8000, 8000)
        assert _group(rule["DestinationSecurityGroupId"]) in {"TaskSecurityGroup", "EnvironmentSecurityGroup"}


@pytest.mark.parametrize("store", STORES)
def test_stores_accept_only_the_group_of_their_clients(way: Way, store: str) -> None:
    accepted = [
        (_group(rule["GroupId"]), _group(rule["SourceSecurityGroupId"]))
        for _, rule in way.resources("AWS::EC2::SecurityGroupIngress")
        if rule.get("FromPort") == STORES[store]
    ]
    assert accepted == [(f"{store}SecurityGroup", f"{store}ClientSecurityGroup")]
    groups = dict(way.resources("AWS::EC2::SecurityGroup"))
    assert "SecurityGroupIngress" not in groups[f"{store}SecurityGroup"]
    clients = groups[f"{store}ClientSecurityGroup"]["SecurityGroupEgress"]
    assert [_group(rule["DestinationSecurityGroupId"]) for rule in clients] == [f"{store}SecurityGroup"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("deployment", ON_AWS)
def test_services_have_the_groups_of_what_they_use(deployment: str, service: str) -> None:
    description = ADAPTERS[deployment](service)
    used = set()
    if any(name.endswith("_DATABASE_URL") for name in description.variables):
        used.add(f"{EXPORTED}DatabaseClientSecurityGroup>")
    if "MILLRACE_REDIS_URL" in description.secrets:
        used.add(f"{EXPORTED}CacheClientSecurityGroup>")
    if deployment == "ecs":
        used.add("<TaskSecurityGroup>")
        if service in WITH_INTERNET:
            used.add(f"{EXPORTED}InternetSecurityGroup>")
    assert description.security_groups == used


def test_services_without_internet_reach_all_aws_services_that_they_call() -> None:
    """Check that each service of AWS in the policies has an endpoint in the network, which tasks may connect to."""
    endpoints = {
        properties["ServiceName"].rpartition(".")[2].removesuffix("-streams")
        for _, properties in resources(load(ECS / "network.yml"), "AWS::EC2::VPCEndpoint", PARAMETERS)
    }
    for service in set(SERVICES) - WITH_INTERNET:
        policy = load(ECS / "access" / f"{service}.yml")["Resources"]["AccessPolicy"]["Properties"]["PolicyDocument"]
        called = {action.partition(":")[0] for statement in policy["Statement"] for action in statement["Action"]}
        assert called <= endpoints, service
    assert {"secretsmanager", "ssm", "dkr", "api", "s3"} <= endpoints, "what Fargate needs to start a task"


def test_dry_run_looks_prefix_lists_up() -> None:
    text = (ECS / "deploy.sh").read_text()
    assert set(re.findall(r"\w+PrefixList=\$\(prefix_list (\w+)\)", text)) == {"s3", "dynamodb"}
