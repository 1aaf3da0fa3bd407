"""Runs the services as processes with the variables of the ECS template, on the resources of the data templates."""

import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from millrace_local.ports import free_ports
from millrace_local.process import ProcessSpec, http_probe, launch_environment
from millrace_local.servers.postgres import Postgres
from millrace_local.testing import run_aside, running
from tests.deploy.names import APP, DOMAIN, ECS, SERVICES
from tests.deploy.recorder import Recorder, recorder
from tests.deploy.stacks import Cloud
from tests.deploy.templates import Evaluation, load
from tests.support.platform import run

ENVIRONMENT = "dev"
PASSWORD = "of-the-read-model"
PRESENT = tuple(service for service in SERVICES if importlib.util.find_spec(f"millrace_{service}"))
"""Services whose package is installed."""
MILLRACE = Path(sys.executable).with_name("millrace")

# Replaces exports of resources that the emulator doesn't support.
STAND_IN = """
Parameters:
  App: {Type: String}
  Env: {Type: String}
Resources:
  Key: {Type: AWS::KMS::Key, Properties: {KeyPolicy: {Version: '2012-10-17', Statement: []}}}
  Domain: {Type: AWS::SSM::Parameter, Properties: {Name: !Sub '/${App}/${Env}/domain', Type: String, Value: d}}
Outputs:
  DatabaseKeyArn: {Value: !GetAtt Key.Arn, Export: {Name: !Sub '${App}-${Env}-DatabaseKeyArn'}}
"""
DATA = ("streams", "tables", "audit", "identity", "telemetry", "alarms", "dashboard")
"""Templates that the emulator supports; it has no databases, caches or metric math in alarms."""


def deploy_data(cloud: Cloud) -> dict[str, str]:
    """Deploy the templates of data stores and of each service's permissions; return all exports by name."""
    names = {"App": APP, "Env": ENVIRONMENT}
    cloud.deploy("stand-in", STAND_IN, **names)
    for name in DATA:
        cloud.deploy(f"data-{name}", ECS / "data" / f"{name}.yml", **names)
    for service in SERVICES:
        cloud.deploy(f"access-{service}", ECS / "access" / f"{service}.yml", **names, Name=service)
    pages = cloud.client("cloudformation").get_paginator("list_exports").paginate()
    return {export["Name"]: export["Value"] for page in pages for export in page["Exports"]}


def make_cache_users(port: int) -> dict[str, str]:
    """Create the Redis users with the permissions in the cache template; return the Redis URL by service."""
    template = load(ECS / "data" / "cache.yml")
    urls = {}
    with redis.Redis(port=port) as client:
        for service in ("projector", "search"):
            rights = template["Resources"][f"{service.capitalize()}CacheUser"]["Properties"]["AccessString"]
            client.execute_command("ACL", "SETUSER", service, "reset", f">{PASSWORD}", *rights.split())
            urls[service] = f"redis://{service}:{PASSWORD}@127.0.0.1:{port}/0"
    return urls


def container(service: str, exports: Mapping[str, str], environment: str = ENVIRONMENT) -> dict[str, Any]:
    """Return the definition of a service's container from the ECS template with the service's parameters."""
    template = load(ECS / "service.yml")
    own = json.loads((ECS / "services" / f"{service}.json").read_text())
    parameters = {"App": APP, "Env": environment, "Domain": DOMAIN, **own}
    definition = template["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    first: dict[str, Any] = Evaluation(template, parameters, exports).value(definition)[0]
    return first


def variables(service: str, exports: Mapping[str, str], environment: str = ENVIRONMENT) -> dict[str, str]:
    """Return the environment variables of a service's container, without secrets."""
    return {entry["Name"]: entry["Value"] for entry in container(service, exports, environment)["Environment"]}


def migration(service: str) -> str:
    """Return the Python command that migrates a database, as in docs/how-to/deploy-with-ecs.md.

    A service's `init` would also create DynamoDB tables, which CloudFormation creates here.
    """
    # It also creates its root key.
    if service == "patients":
        return "import asyncio, millrace_patients.migrate as m; asyncio.run(m.prepare(m.PatientsSettings()))"
    url = f"os.environ['MILLRACE_{service.upper()}_DATABASE_URL']"
    return f"import asyncio, os, millrace_{service}.migrate as m; asyncio.run(m.migrate({url}))"


@dataclass
class Deployment:
    """Running services with their ports, environments and recorded AWS calls."""

    cloud: Cloud
    exports: Mapping[str, str]
    ports: dict[str, int] = field(default_factory=dict)
    recorders: dict[str, Recorder] = field(default_factory=dict)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def run(self, service: str, *command: str) -> None:
        """Run a command with a service's environment; raise AssertionError with its output if it fails."""
        done = run(command, seconds=120, environment=launch_environment(self.environments[service]))
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"


@contextmanager
def deployment(
    cloud: Cloud, exports: Mapping[str, str], postgres: Postgres, cache_urls: Mapping[str, str], directory: Path
) -> Iterator[Deployment]:
    """Migrate and start every installed service; all are ready within the block."""
    deployed = Deployment(cloud, exports)
    ports = free_ports(len(PRESENT))
    with ExitStack() as stack:
        for service, port in zip(PRESENT, ports, strict=True):
            recorded = stack.enter_context(recorder(cloud.port))
            deployed.ports[service], deployed.recorders[service] = port, recorded
            environment = _environment(service, deployed, postgres, cache_urls)
            deployed.environments[service] = environment
            if "PGSSLMODE" in environment:
                deployed.run(service, sys.executable, "-c", migration(service))
            spec = ProcessSpec(
                name=service,
                command=(sys.executable, "-m", f"millrace_{service}"),
                ready=http_probe(f"{deployed.url(service)}/readyz"),
                environment=environment,
            )
            stack.enter_context(running(spec, directory / f"{service}.log"))
        yield deployed


def _environment(
    service: str, deployed: Deployment, postgres: Postgres, cache_urls: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of the ECS template with addresses and secrets of this machine."""
    given = variables(service, deployed.exports)
    given |= deployed.cloud.variables
    given |= {
        "AWS_ENDPOINT_URL": deployed.recorders[service].endpoint,
        "MILLRACE_LISTEN_HOST": "127.0.0.1",
        "MILLRACE_LISTEN_PORT": str(deployed.ports[service]),
    }
    del given["OTEL_EXPORTER_OTLP_ENDPOINT"]
    secrets = {entry["Name"] for entry in container(service, deployed.exports).get("Secrets", [])}
    if "MILLRACE_REDIS_URL" in secrets:
        given["MILLRACE_REDIS_URL"] = cache_urls[service]
    if "MILLRACE_NOTIFICATIONS_WEBHOOK_KEYS" in secrets:
        given["MILLRACE_NOTIFICATIONS_WEBHOOK_KEYS"] = f'["{"k" * 43}="]'
    # Keys of requests between services, which the templates generate.
    given |= {name: "k" * 48 for name in secrets if name.endswith("_PATIENTS_KEYS")}
    if "MILLRACE_AUDIT_KEY" in secrets:
        given["MILLRACE_AUDIT_KEY"] = "k" * 48
    url = f"MILLRACE_{service.upper()}_DATABASE_URL"
    if url in given:
        run_aside(lambda: postgres.create_database(service))
        given[url] = postgres.dsn(service)
        given["PGPASSWORD"] = "not-looked-at"
        given["PGSSLMODE"] = "disable"
        given.pop("PGSSLROOTCERT", None)
    return given
