"""Nothing goes in plain text inside AWS; for both ways of deployment."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.deploy.copilot import Packages
from tests.deploy.names import ACCOUNT, APP, DOCKERFILE, DOMAIN, ECS, HTTP_SERVICES, REGION, REPOSITORY, SERVICES
from tests.deploy.parity import ADAPTERS, ENVIRONMENT, ON_AWS
from tests.deploy.templates import load, resources

LOOPBACK = "127.0.0.1"
AUTHORITIES = "/opt/millrace/amazon-rds-ca.pem"
SENT = r"(?:https?|rediss?|postgresql|grpc|amqp)://"


class ServiceTemplate:
    """A service's evaluated template of one way of deployment."""

    def __init__(self, way: str, service: str, request: pytest.FixtureRequest) -> None:
        self.service = service
        if way == "ecs":
            own = json.loads((ECS / "services" / f"{service}.json").read_text())
            template, self.parameters = ECS / "service.yml", {"App": APP, "Env": ENVIRONMENT, "Domain": DOMAIN, **own}
        else:
            packages: Packages = request.getfixturevalue("packages")
            template = packages.service(service, ENVIRONMENT)
            self.parameters = packages.parameters(template)
        self.template = load(template)

    def resources(self, kind: str) -> Iterator[dict[str, Any]]:
        for _, properties in resources(self.template, kind, self.parameters):
            yield properties

    @property
    def container(self) -> Mapping[str, Any]:
        (task,) = self.resources("AWS::ECS::TaskDefinition")
        containers: list[dict[str, Any]] = task["ContainerDefinitions"]
        return containers[0]

    @property
    def secrets(self) -> Mapping[str, Any]:
        return {secret["Name"]: secret["ValueFrom"] for secret in self.container["Secrets"]}


@pytest.fixture(params=[(way, service) for way in ON_AWS for service in SERVICES], ids="-".join)
def deployed(request: pytest.FixtureRequest) -> ServiceTemplate:
    """Return a service as one way of deployment deploys it."""
    way, service = request.param
    return ServiceTemplate(way, service, request)


def test_load_balancer_requests_and_probes_by_tls(deployed: ServiceTemplate) -> None:
    groups = list(deployed.resources("AWS::ElasticLoadBalancingV2::TargetGroup"))
    assert bool(groups) == (deployed.service in HTTP_SERVICES)
    assert all((group["Protocol"], group["HealthCheckProtocol"]) == ("HTTPS", "HTTPS") for group in groups)


def test_service_listens_by_tls_with_its_own_certificate(deployed: ServiceTemplate) -> None:
    own = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{APP}/{ENVIRONMENT}/{deployed.service}/tls"
    for part in ("certificate", "key", "ca"):
        assert deployed.secrets[f"MILLRACE_TLS_{part.upper()}"] == f"{own}:{part}::"
    assert deployed.container["HealthCheck"]["Command"] == ["CMD", "python", "-m", "millrace_platform.probe"]


def test_proxies_between_services_pass_tls_through(deployed: ServiceTemplate) -> None:
    assert [port["ContainerPort"] for port in deployed.container["PortMappings"]] == [8000]
    # Service Connect would read and rewrite HTTP, which TLS doesn't allow.
    assert not any("AppProtocol" in port for port in deployed.container["PortMappings"])


def test_addresses_in_variables_are_encrypted_or_loopback(deployed: ServiceTemplate) -> None:
    for entry in deployed.container["Environment"]:
        for scheme, host in re.findall(rf"({SENT})([\w.<>-]*)", str(entry["Value"])):
            assert scheme == "https://" or host == LOOPBACK, entry["Name"]


def test_database_is_verified(deployed: ServiceTemplate) -> None:
    given = {entry["Name"]: entry["Value"] for entry in deployed.container["Environment"]}
    verified = (given.get("PGSSLMODE"), given.get("PGSSLROOTCERT"))
    has_database = f"MILLRACE_{deployed.service.upper()}_DATABASE_URL" in given
    assert verified == (("verify-full", AUTHORITIES) if has_database else (None, None))


def test_image_contains_the_databases_authorities() -> None:
    (copied,) = re.findall(rf"^COPY (\S+) {AUTHORITIES}$", DOCKERFILE.read_text(), re.M)
    assert "BEGIN CERTIFICATE" in (REPOSITORY / copied).read_text()


def test_database_refuses_plain_connections() -> None:
    groups = resources(load(ECS / "data" / "database.yml"), "AWS::RDS::DBClusterParameterGroup", {"Env": ENVIRONMENT})
    assert [group["Parameters"]["rds.force_ssl"] for _, group in groups] == ["1"]


def test_read_model_requires_tls_and_a_user_for_each_service() -> None:
    parameters = {"App": APP, "Env": ENVIRONMENT}
    template = load(ECS / "data" / "cache.yml")
    ((_, cache),) = resources(template, "AWS::ElastiCache::ReplicationGroup", parameters)
    assert (cache["TransitEncryptionEnabled"], cache["TransitEncryptionMode"]) == (True, "required")
    users = {user["UserName"] for _, user in resources(template, "AWS::ElastiCache::User", parameters)}
    assert users == {service for service in SERVICES if "MILLRACE_REDIS_URL" in ADAPTERS["ecs"](service).secrets}
    urls = {
        secret["Name"].split("/")[2]: secret["SecretString"]
        for _, secret in resources(template, "AWS::SecretsManager::Secret", parameters)
        if "SecretString" in secret
    }
    assert urls.keys() == users
    assert all(url.startswith(f"rediss://{user}:") for user, url in urls.items())


def test_no_template_names_a_plain_address() -> None:
    """Check that no file of a deployment contains an unencrypted address, except of loopback."""
    files = [*ECS.rglob("*.*"), *(REPOSITORY / "copilot").rglob("*.yml")]
    for path in files:
        for scheme, host in re.findall(r"\b((?:http|redis)://)([\w.$-]*)", path.read_text()):
            assert host.startswith(LOOPBACK), f"{path.relative_to(REPOSITORY)}: {scheme}{host}"


def test_requests_without_tls_are_only_redirected(deployed: ServiceTemplate) -> None:
    for rule in deployed.resources("AWS::ElasticLoadBalancingV2::ListenerRule"):
        (action,) = rule["Actions"]
        if "HttpsListener" not in str(rule["ListenerArn"]) and "HTTPSListener" not in str(rule["ListenerArn"]):
            assert (action["Type"], action["RedirectConfig"]["Protocol"]) == ("redirect", "HTTPS")
    listeners = resources(load(ECS / "platform.yml"), "AWS::ElasticLoadBalancingV2::Listener", {"Env": ENVIRONMENT})
    for _, listener in listeners:
        assert listener["Protocol"] == "HTTPS" or listener["DefaultActions"][0]["Type"] == "redirect"
