"""Copilot, ECS, the services' own settings and the local platform agree."""

import importlib
import importlib.util
import re
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from millrace_local import routes
from millrace_platform.settings import PlatformSettings
from tests.deploy.parity import ADAPTERS, DELIVERED_BY_FARGATE, ENVIRONMENT, Described
from tests.deploy.places import APP, COPILOT, ECS, HTTP_SERVICES, REPOSITORY, SERVICES, STREAM_SERVICES
from tests.deploy.running import PRESENT
from tests.deploy.templates import Evaluation, exports, load

NOT_SETTINGS = {
    "PGSSLMODE": "asyncpg's own: TLS to the database",
    "PGPASSWORD": "asyncpg's own, so that addresses of databases are no secrets",
    "OTEL_TRACES_SAMPLER": "the SDK's own",
    "OTEL_TRACES_SAMPLER_ARG": "the SDK's own",
}
"""Variables that are no setting of a service: whose they are."""

NAMES = {"App": APP, "Env": ENVIRONMENT}


def settings_of(service: str) -> type[BaseSettings]:
    """The class that the service reads its environment into."""
    if importlib.util.find_spec(f"{service}.settings") is None:
        return PlatformSettings
    module = importlib.import_module(f"{service}.settings")
    (own,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, PlatformSettings) and value.__module__ == module.__name__
    )
    return own


def variables_of(settings: type[BaseSettings]) -> set[str]:
    return {str(field.validation_alias or f"MILLRACE_{name}").upper() for name, field in settings.model_fields.items()}


@pytest.fixture(scope="module", params=ADAPTERS)
def way(request: pytest.FixtureRequest) -> Any:
    """A way to deploy: describes a service."""
    return ADAPTERS[request.param]


def made(kind: str) -> set[str]:
    """The names of all streams or tables, or of other things of a kind, that the data templates make."""
    key = {"AWS::Kinesis::Stream": "Name", "AWS::DynamoDB::Table": "TableName", "AWS::CloudWatch::Alarm": "AlarmName"}[
        kind
    ]
    found = set()
    for path in (ECS / "data").glob("*.yml"):
        evaluation = Evaluation(template := load(path), NAMES)
        found |= {evaluation.value(r["Properties"][key]) for r in template["Resources"].values() if r["Type"] == kind}
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_every_way_to_deploy_a_service_is_the_same(service: str) -> None:
    one, *others = (ADAPTERS[name](service) for name in ADAPTERS)
    for other in others:
        for attribute in ("port", "health", "prefixes", "command", "secrets", "size", "tasks", "rollback_alarms"):
            assert getattr(one, attribute) == getattr(other, attribute), attribute
        assert comparable(one) == comparable(other)
        shared = one.sidecar_images.keys() & other.sidecar_images.keys()
        assert {name: one.sidecar_images[name] for name in shared} == {n: other.sidecar_images[n] for n in shared}


def comparable(description: Described) -> dict[str, str]:
    return {name: value for name, value in description.variables.items() if name not in DELIVERED_BY_FARGATE}


@pytest.mark.parametrize("service", PRESENT)
def test_a_variable_is_a_setting_of_its_service(way: Any, service: str) -> None:
    description = way(service)
    known = variables_of(settings_of(service)) | NOT_SETTINGS.keys()
    assert (description.variables.keys() | description.secrets.keys()) - known == set()


@pytest.mark.parametrize("service", PRESENT)
def test_a_service_is_told_where_each_thing_of_its_own_is(way: Any, service: str) -> None:
    description = way(service)
    given = description.variables.keys() | description.secrets.keys()
    own = {v for v in variables_of(settings_of(service)) if v.startswith(f"MILLRACE_{service.upper()}_")}
    assert {v for v in own if v.endswith(("_DATABASE_URL", "_TABLE", "_KMS_KEY_ID"))} - given == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_listens_where_it_is_probed(way: Any, service: str) -> None:
    description = way(service)
    assert description.variables["MILLRACE_LISTEN_HOST"] == "0.0.0.0"  # noqa: S104 - within a container
    assert description.variables["MILLRACE_LISTEN_PORT"] == str(description.port) == "8000"
    assert description.health == {"/healthz"}
    assert description.command == ("python", "-m", service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_reached_by_the_paths_of_the_local_edge(way: Any, service: str) -> None:
    if service not in routes.SERVICES:
        pytest.skip(f"{service} does not run on the local platform yet")
    own = {path for path, owner in routes.RULES if owner == service and not path.startswith("/internal/")}
    assert way(service).prefixes == own


def test_what_is_internal_has_no_path_from_outside(way: Any) -> None:
    prefixes = [prefix for service in SERVICES for prefix in way(service).prefixes]
    assert len(prefixes) == len(set(prefixes))
    assert all(prefix.startswith("/v1/") for prefix in prefixes)
    assert all(way(service).prefixes for service in HTTP_SERVICES)
    assert not any(way(service).prefixes for service in STREAM_SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_streams_tables_and_alarms_that_are_named_are_made(way: Any, service: str) -> None:
    description = way(service)
    named = description.variables
    assert {v for k, v in named.items() if k.endswith("_STREAM")} <= made("AWS::Kinesis::Stream")
    assert {v for k, v in named.items() if k.endswith("_TABLE")} <= made("AWS::DynamoDB::Table")
    assert description.rollback_alarms <= made("AWS::CloudWatch::Alarm")
    assert description.rollback_alarms


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_imported_is_exported(way: Any, service: str) -> None:
    exported = set(exports(load(ECS / "access" / f"{service}.yml"), {**NAMES, "Name": service}))
    for path in (ECS / "data").glob("*.yml"):
        exported |= set(exports(load(path), NAMES))
    description = way(service)
    values = [*description.variables.values(), *description.secrets.values()]
    imported = {match[1] for value in values if (match := re.fullmatch(r"<export (.*)>", value))}
    assert imported - exported == set()


def test_every_import_of_the_templates_is_exported_by_one() -> None:
    templates = [*ECS.glob("*.yml"), *(ECS / "data").glob("*.yml"), *(ECS / "access").glob("*.yml")]
    exported, imported = set(), set()
    for path in templates:
        names = {**NAMES, "Name": path.stem} if path.parent.name == "access" else NAMES
        exported |= set(exports(load(path), names))
        imported |= set(re.findall(r"Fn::ImportValue: !Sub \$\{App\}-\$\{Env\}-(\w+)$", path.read_text(), re.M))
    assert {f"{APP}-{ENVIRONMENT}-{name}" for name in imported} - exported == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_secret_may_be_read_by_copilots_agent_of_its_environment_alone(service: str) -> None:
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


@pytest.mark.parametrize(("file", "key"), [("database", "DatabaseKey"), ("cache", "CacheKey")])
def test_a_key_of_secrets_may_be_used_by_copilots_agent(file: str, key: str) -> None:
    template = load(COPILOT / "environments" / "addons" / f"{file}.yml")
    tags = {tag["Key"] for tag in template["Resources"][key]["Properties"]["Tags"]}
    assert tags == {"copilot-application", "copilot-environment"}


@pytest.mark.parametrize("service", PRESENT)
def test_a_variable_stands_in_the_reference_of_settings(way: Any, service: str) -> None:
    reference = (REPOSITORY / "docs" / "reference" / "settings.md").read_text()
    description = way(service)
    named = description.variables.keys() | description.secrets.keys()
    assert {name for name in named - NOT_SETTINGS.keys() if f"`{name}`" not in reference} == set()
