"""Copilot, ECS, Compose, the services' settings and the local platform agree."""

import importlib
import json
import re
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from millrace_local import routes
from millrace_local.up.environment import CALLS
from millrace_platform.headers import DEFAULTS
from millrace_platform.settings import PlatformSettings
from tests.deploy.names import (
    APP,
    BALANCER,
    COMPOSE,
    COPILOT,
    DOCKERFILE,
    DOMAIN,
    ECS,
    HTTP_SERVICES,
    REPOSITORY,
    SERVICES,
    STREAM_SERVICES,
)
from tests.deploy.parity import (
    ADAPTERS,
    COMPOSE_ENVIRONMENT,
    DELIVERED_BY_FARGATE,
    ENVIRONMENT,
    ON_AWS,
    DeployedService,
)
from tests.deploy.running import PRESENT
from tests.deploy.templates import Evaluation, exports, load

NOT_SETTINGS = {
    "PGSSLMODE": "TLS to the database, as libpq reads it",
    "PGSSLROOTCERT": "TLS to the database, as libpq reads it",
    "PGPASSWORD": "read by asyncpg, so that database URLs contain no secret",
    "OTEL_TRACES_SAMPLER": "read by the OpenTelemetry SDK",
    "OTEL_TRACES_SAMPLER_ARG": "read by the OpenTelemetry SDK",
    "AWS_ACCESS_KEY_ID": "read by botocore",
    "AWS_SECRET_ACCESS_KEY": "read by botocore",
}
"""Variables that aren't settings of a service, with the library that reads them."""

ONLY_ON_AWS = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "compose.observability.yaml adds it",
    "OTEL_TRACES_SAMPLER": "all traces are sampled",
    "OTEL_TRACES_SAMPLER_ARG": "all traces are sampled",
    "MILLRACE_AUTH_CLIENT_IDS": "the client id of the local issuer is the default",
    "MILLRACE_PATIENTS_IDENTITY": "`patients` stores accounts itself",
    "MILLRACE_PATIENTS_KMS_KEY_ID": "the master key is a file on a volume",
    "MILLRACE_AUDIT_ANCHORS_BUCKET": "anchors are files on a volume",
}
ONLY_IN_COMPOSE = {
    "AWS_ENDPOINT_URL": "the emulator",
    "AWS_REGION": "set by Fargate",
    "AWS_ACCESS_KEY_ID": "on ECS the task has a role",
    "AWS_SECRET_ACCESS_KEY": "on ECS the task has a role",
    "MILLRACE_TLS_CERTIFICATE": "a file on a volume, which replaces a secret",
    "MILLRACE_TLS_KEY": "a file on a volume, which replaces a secret",
    "MILLRACE_TLS_CA": "a file on a volume, which replaces a secret",
    "MILLRACE_AUTH_JWKS_URL": "the issuer's URL is the load balancer's, which containers can't reach",
    "MILLRACE_PATIENTS_MASTER_KEY_FILE": "replaces KMS",
    "MILLRACE_NOTIFICATIONS_WEBHOOK_KEY_FILE": "replaces a secret",
    "MILLRACE_AUDIT_KEY_FILE": "replaces a secret",
    "MILLRACE_AUDIT_ANCHORS_DIRECTORY": "replaces a bucket",
    "MILLRACE_NOTIFICATIONS_SHOW_MAILS": "there is no mail server",
    "MILLRACE_NOTIFICATIONS_WEBHOOK_LOOPBACK": "webhooks to this machine can be tried out",
}
"""Variables that only one environment has, with the reason."""

NAMES = {"App": APP, "Env": ENVIRONMENT}


def settings_of(service: str) -> type[BaseSettings]:
    """Return the settings class of a service."""
    module = importlib.import_module(f"millrace_{service}.settings")
    (own,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, PlatformSettings) and value.__module__ == module.__name__
    )
    return own


def variables_of(settings: type[BaseSettings]) -> set[str]:
    return {str(field.validation_alias or f"MILLRACE_{name}").upper() for name, field in settings.model_fields.items()}


@pytest.fixture(scope="module", params=ADAPTERS)
def describe(request: pytest.FixtureRequest) -> Any:
    """Return a function that describes a service as one of the ways of deployment deploys it."""
    return ADAPTERS[request.param]


def created_names(kind: str) -> set[str]:
    """Return the names of all resources of a type that the data templates create."""
    key = {"AWS::Kinesis::Stream": "Name", "AWS::DynamoDB::Table": "TableName", "AWS::CloudWatch::Alarm": "AlarmName"}[
        kind
    ]
    found = set()
    for path in (ECS / "data").glob("*.yml"):
        evaluation = Evaluation(template := load(path), NAMES)
        found |= {evaluation.value(r["Properties"][key]) for r in template["Resources"].values() if r["Type"] == kind}
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_copilot_and_ecs_deploy_the_same_service(service: str) -> None:
    one, *others = (ADAPTERS[name](service) for name in ON_AWS)
    for other in others:
        for attribute in ("port", "health", "prefixes", "command", "secrets", "size", "tasks", "rollback_alarms"):
            assert getattr(one, attribute) == getattr(other, attribute), attribute
        assert comparable(one) == comparable(other)


@pytest.mark.parametrize("service", SERVICES)
def test_compose_runs_the_deployed_service(service: str) -> None:
    here, there = ADAPTERS["compose"](service), ADAPTERS["copilot"](service)
    for attribute in ("port", "health", "prefixes", "command"):
        assert getattr(here, attribute) == getattr(there, attribute), attribute
    assert here.size[1] == there.size[1], "memory"
    # Key files in Compose.
    files = (f"MILLRACE_TLS_{part}" for part in ("CERTIFICATE", "KEY", "CA"))
    sealed = {"MILLRACE_NOTIFICATIONS_WEBHOOK_KEYS", "MILLRACE_AUDIT_KEY", *files}
    commands = {f"MILLRACE_OPERATOR_{service.upper()}_KEYS"}  # on AWS operators send an admin's token
    assert here.secrets.keys() - commands == there.secrets.keys() - sealed
    assert commands <= here.secrets.keys()
    assert here.variables.keys() - ONLY_IN_COMPOSE.keys() == there.variables.keys() - ONLY_ON_AWS.keys()
    for name in here.variables.keys() & there.variables.keys():
        if name.startswith("MILLRACE_LISTEN_") or name.endswith(("_STREAM", "_TABLE")):
            assert here.variables[name] == there.variables[name], name


@pytest.mark.parametrize("service", SERVICES)
def test_compose_builds_the_image_of_the_service(service: str) -> None:
    build = yaml.safe_load(COMPOSE.read_text())["services"][service]["build"]
    assert build["dockerfile"] == str(DOCKERFILE.relative_to(REPOSITORY))
    assert build["context"] == "."
    assert build["args"]["SERVICE"] == service


def test_compose_does_not_route_internal_paths() -> None:
    assert "internal/" not in BALANCER.read_text()


@pytest.mark.parametrize("service", SERVICES)
def test_service_accepts_its_own_names_as_hosts(describe: Any, service: str) -> None:
    hosts = set(json.loads(describe(service).variables["MILLRACE_HOSTS"]))
    own, public = {service, f"{service}.{ENVIRONMENT}.{APP}.local"}, {DOMAIN, "localhost"}
    assert "127.0.0.1" in hosts
    assert hosts & own
    assert hosts & public
    assert hosts <= own | public | {"127.0.0.1"}


@pytest.mark.parametrize("service", SERVICES)
def test_callers_and_called_services_have_the_same_keys(describe: Any, service: str) -> None:
    """Check that a service has exactly the keys of its own requests and of requests to it."""
    pairs = {f"MILLRACE_{caller}_{called}_KEYS".upper(): {caller, called} for caller, called in CALLS}
    assert {name for name in describe(service).secrets if name in pairs} == {
        name for name, pair in pairs.items() if service in pair
    }
    sources = {name: describe(service).secrets[name] for name, pair in pairs.items() if service in pair}
    assert all(describe(other).secrets[name] == source for name, source in sources.items() for other in pairs[name])


def test_compose_limits_streams_as_the_local_edge_does() -> None:
    blocks = re.findall(r"location = (\S+) \{(.*?)\}", BALANCER.read_text(), re.DOTALL)
    assert {path for path, block in blocks if "limit_conn streams " in block and "proxy_buffering off" in block} == (
        routes.STREAMS
    )


def test_compose_protects_readers_of_its_own_responses_as_the_services_do() -> None:
    configuration = BALANCER.read_text()
    for name, value in DEFAULTS:
        variable = f"$own_{name.decode().removeprefix('x-').replace('-', '_')}"
        own = re.search(rf'map \S+ \{variable} \{{\s*"" (".*?"|[^"]+?);', configuration)
        assert own is not None, name
        assert own[1].strip('"') == value.decode()
        assert re.search(rf"add_header {name.decode()} \{variable} always;", configuration, re.IGNORECASE), name


def test_every_stated_difference_exists() -> None:
    here = {name for service in SERVICES for name in ADAPTERS["compose"](service).variables}
    there = {name for service in SERVICES for name in ADAPTERS["copilot"](service).variables}
    assert there & here & ONLY_ON_AWS.keys() == there & here & ONLY_IN_COMPOSE.keys() == set()
    assert ONLY_ON_AWS.keys() <= there
    assert ONLY_IN_COMPOSE.keys() <= here


def test_compose_init_gets_its_services_names() -> None:
    """Check that the container `init` gets the same stream, table and key file names as the services."""
    declared = yaml.safe_load(COMPOSE.read_text())["services"]
    init = declared["init"]["environment"]
    for service in SERVICES:
        own = declared[service]["environment"]
        for name, value in own.items():
            if name.endswith(("_STREAM", "_TABLE", "_KEY_FILE")):
                assert init[name] == value, f"{service} {name}"
                assert name.endswith("_KEY_FILE") or value.startswith(f"{APP}-{COMPOSE_ENVIRONMENT}-"), name


def comparable(description: DeployedService) -> dict[str, str]:
    return {name: value for name, value in description.variables.items() if name not in DELIVERED_BY_FARGATE}


@pytest.mark.parametrize("service", PRESENT)
def test_variables_are_settings_of_their_service(describe: Any, service: str) -> None:
    description = describe(service)
    known = variables_of(settings_of(service)) | NOT_SETTINGS.keys()
    assert (description.variables.keys() | description.secrets.keys()) - known == set()


@pytest.mark.parametrize("service", PRESENT)
def test_service_gets_the_address_of_each_resource(describe: Any, service: str) -> None:
    description = describe(service)
    given = description.variables.keys() | description.secrets.keys()
    own = {v for v in variables_of(settings_of(service)) if v.startswith(f"MILLRACE_{service.upper()}_")}
    file_keys = {name.replace("_MASTER_KEY_FILE", "_KMS_KEY_ID") for name in given}
    assert {v for v in own if v.endswith(("_DATABASE_URL", "_TABLE", "_KMS_KEY_ID"))} - given - file_keys == set()


@pytest.mark.parametrize("service", SERVICES)
def test_service_listens_where_it_is_probed(describe: Any, service: str) -> None:
    description = describe(service)
    assert description.variables["MILLRACE_LISTEN_HOST"] == "0.0.0.0"  # noqa: S104 - within a container
    assert description.variables["MILLRACE_LISTEN_PORT"] == str(description.port) == "8000"
    assert description.health == {"/healthz"}
    assert description.command == ("python", "-m", f"millrace_{service}")


@pytest.mark.parametrize("service", SERVICES)
def test_service_has_the_paths_of_the_local_edge(describe: Any, service: str) -> None:
    if service not in routes.SERVICES:
        pytest.skip(f"{service} does not run on the local platform yet")
    own = {path for path, owner in routes.RULES if owner == service}
    assert describe(service).prefixes == own


def test_internal_paths_are_not_public(describe: Any) -> None:
    prefixes = [prefix for service in SERVICES for prefix in describe(service).prefixes]
    assert len(prefixes) == len(set(prefixes))
    assert all(prefix.startswith("/v1/") for prefix in prefixes)
    assert all(describe(service).prefixes for service in HTTP_SERVICES)
    assert not any(describe(service).prefixes for service in STREAM_SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_named_streams_tables_and_alarms_are_created(describe: Any, service: str) -> None:
    description = describe(service)
    named = description.variables
    assert {v for k, v in named.items() if k.endswith("_STREAM")} <= created_names("AWS::Kinesis::Stream")
    assert {v for k, v in named.items() if k.endswith("_TABLE")} <= created_names("AWS::DynamoDB::Table")
    assert description.rollback_alarms <= created_names("AWS::CloudWatch::Alarm")
    assert description.rollback_alarms or description.tasks is None


@pytest.mark.parametrize("service", SERVICES)
def test_imports_of_services_are_exported(describe: Any, service: str) -> None:
    exported = set()
    for path in (ECS / "access").glob("*.yml"):
        exported |= set(exports(load(path), {**NAMES, "Name": path.stem}))
    for path in (ECS / "data").glob("*.yml"):
        exported |= set(exports(load(path), NAMES))
    description = describe(service)
    values = [*description.variables.values(), *description.secrets.values()]
    imported = {match[1] for value in values if (match := re.fullmatch(r"<export (.*)>", value))}
    assert imported - exported == set()


def test_imports_of_templates_are_exported_once() -> None:
    templates = [*ECS.glob("*.yml"), *(ECS / "data").glob("*.yml"), *(ECS / "access").glob("*.yml")]
    exported, imported = set(), set()
    for path in templates:
        names = {**NAMES, "Name": path.stem} if path.parent.name == "access" else NAMES
        exported |= set(exports(load(path), names))
        imported |= set(re.findall(r"Fn::ImportValue: !Sub \$\{App\}-\$\{Env\}-(\w+)$", path.read_text(), re.M))
    assert {f"{APP}-{ENVIRONMENT}-{name}" for name in imported} - exported == set()


@pytest.mark.parametrize("service", SERVICES)
def test_secret_is_readable_only_by_its_environments_agent(service: str) -> None:
    tags = {"copilot-application", "copilot-environment"}
    named = {
        secret.removesuffix(">").removeprefix("<export ") for secret in ADAPTERS["copilot"](service).secrets.values()
    }
    for path in [COPILOT / service / "addons" / "access.yml", *(COPILOT / "environments" / "addons").glob("*.yml")]:
        template = load(path)
        evaluation = Evaluation(template, {**NAMES, "Name": service})
        for output in template.get("Outputs", {}).values():
            if "Export" in output and evaluation.value(output["Export"]["Name"]) in named:
                secret = template["Resources"][output["Value"]["Ref"]]["Properties"]
                assert {tag["Key"] for tag in secret["Tags"]} == tags


@pytest.mark.parametrize(
    ("file", "key"), [("database", "DatabaseKey"), ("cache", "CacheKey"), ("certificates", "CertificatesKey")]
)
def test_secrets_key_is_usable_by_copilots_agent(file: str, key: str) -> None:
    template = load(COPILOT / "environments" / "addons" / f"{file}.yml")
    tags = {tag["Key"] for tag in template["Resources"][key]["Properties"]["Tags"]}
    assert tags == {"copilot-application", "copilot-environment"}


@pytest.mark.parametrize("service", PRESENT)
def test_every_variable_is_in_the_settings_reference(describe: Any, service: str) -> None:
    reference = (REPOSITORY / "docs" / "reference" / "settings.md").read_text()
    description = describe(service)
    named = description.variables.keys() | description.secrets.keys()
    assert {name for name in named - NOT_SETTINGS.keys() if f"`{name}`" not in reference} == set()
