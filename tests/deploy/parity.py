"""Reads the files of Copilot, ECS and Compose into one common description of a deployed service, to compare them."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from millrace_platform import probe
from tests.deploy.names import ACCOUNT, APP, BALANCER, COMPOSE, COPILOT, DOCKERFILE, DOMAIN, ECS, REGION
from tests.deploy.templates import Evaluation, load

ENVIRONMENT = "prod"
COMPOSE_ENVIRONMENT = "local"
"""The environment in Compose's stream and table names, replaced by `ENVIRONMENT` so that names are comparable."""
DELIVERED_BY_FARGATE = {"AWS_REGION"}
"""Variables that Fargate sets itself, so that a file may omit them."""


@dataclass(frozen=True, slots=True)
class DeployedService:
    """A service as it is deployed to `prod`. The value of a variable imported from a stack is `<export NAME>`.

    `health` are the paths of health checks, `prefixes` the public paths, `secrets` the sources of secrets by variable,
    `size` the CPU units and MiB of a task. `tasks` are the minimum and maximum number; None in Compose, which has no
    autoscaling, no alarms and no security groups.
    """

    port: int
    health: frozenset[str]
    prefixes: frozenset[str]
    command: tuple[str, ...]
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    size: tuple[int | None, int]
    tasks: tuple[int, int] | None = None
    rollback_alarms: frozenset[str] = frozenset()
    security_groups: frozenset[str] = frozenset()


def copilot(service: str) -> DeployedService:
    """Read `copilot/<service>/manifest.yml` and the outputs of its addons, which Copilot turns into variables."""
    text = (COPILOT / service / "manifest.yml").read_text()
    for name, value in (
        ("COPILOT_APPLICATION_NAME", APP),
        ("COPILOT_ENVIRONMENT_NAME", ENVIRONMENT),
        ("MILLRACE_DOMAIN", DOMAIN),
    ):
        text = text.replace(f"${{{name}}}", value)
    manifest = yaml.safe_load(text)
    http = manifest.get("http", {})
    rules = [http, *http.get("additional_rules", [])] if http else []
    variables, secrets = _addons(service)
    count = manifest["count"]["range"]
    return DeployedService(
        port=manifest["image"]["port"],
        health=_probed(manifest["image"]["healthcheck"]["command"]) | {rule["healthcheck"]["path"] for rule in rules},
        prefixes=frozenset(f"/{rule['path']}" for rule in rules),
        command=(*manifest["entrypoint"], *manifest["command"]),
        variables=variables | {name: _imported(value) for name, value in manifest["variables"].items()},
        secrets=secrets | {name: _imported(value) for name, value in manifest.get("secrets", {}).items()},
        size=(manifest["cpu"], manifest["memory"]),
        tasks=(count["min"], count["max"]),
        rollback_alarms=frozenset(manifest["deployment"]["rollback_alarms"]),
        security_groups=frozenset(_imported(each) for each in manifest["network"]["vpc"].get("security_groups", [])),
    )


def _imported(value: Any) -> str:
    match value:
        case {"from_cfn": name}:
            return f"<export {name}>"
        case {"secretsmanager": name}:
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}"
    return str(value)


def _addons(service: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables and secrets that Copilot derives from outputs; references to secrets are secrets."""
    template = load(COPILOT / service / "addons" / "access.yml")
    evaluation = Evaluation(template, {"App": APP, "Env": ENVIRONMENT, "Name": service})
    variables, secrets = {}, {}
    for name, output in template["Outputs"].items():
        made = template["Resources"].get(output["Value"].get("Ref", ""), {}).get("Type")
        export = f"<export {evaluation.value(output['Export']['Name'])}>"
        if made == "AWS::SecretsManager::Secret":
            secrets[_variable(name)] = export
        elif made != "AWS::IAM::ManagedPolicy":
            variables[_variable(name)] = export
    return variables, secrets


def _variable(name: str) -> str:
    """Return the variable that Copilot derives from an output: MillraceDatabaseUrl is MILLRACE_DATABASE_URL."""
    return "".join(f"_{letter}" if letter.isupper() and at else letter for at, letter in enumerate(name)).upper()


def _probed(command: list[str]) -> frozenset[str]:
    """Return the path that a container's health check requests on its own port."""
    if "millrace_platform.probe" in command[-1]:
        return frozenset({probe.PATH})
    _, _, path = " ".join(command).partition("http://127.0.0.1:8000")
    return frozenset({path.partition("'")[0]})


def ecs(service: str) -> DeployedService:
    """Read `ecs/service.yml` with the parameters of `ecs/services/<service>.json`."""
    template = load(ECS / "service.yml")
    own = json.loads((ECS / "services" / f"{service}.json").read_text())
    evaluation = Evaluation(template, {"App": APP, "Env": ENVIRONMENT, "Domain": DOMAIN, **own})
    resources = template["Resources"]
    container, *_ = evaluation.value(resources["TaskDefinition"]["Properties"]["ContainerDefinitions"])
    public = evaluation.condition("IsPublic")
    deployed = evaluation.value(resources["PublicService" if public else "InternalService"]["Properties"])
    health = _probed(container["HealthCheck"]["Command"])
    if public:
        health |= {resources[targets]["Properties"]["HealthCheckPath"] for targets in ("BlueTargets", "GreenTargets")}
    return DeployedService(
        port=container["PortMappings"][0]["ContainerPort"],
        health=health,
        prefixes=_prefixes(evaluation.value(resources["Rule"]["Properties"]["Conditions"])) if public else frozenset(),
        command=(*container["EntryPoint"], *container["Command"]),
        variables={entry["Name"]: entry["Value"] for entry in container["Environment"]},
        secrets={entry["Name"]: entry["ValueFrom"] for entry in container["Secrets"]},
        size=(int(own["Cpu"]), int(own["Memory"])),
        tasks=(int(own["MinTasks"]), int(own["MaxTasks"])),
        rollback_alarms=frozenset(
            name for name in deployed["DeploymentConfiguration"]["Alarms"]["AlarmNames"] if not name.startswith("<")
        ),
        security_groups=frozenset(deployed["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"]),
    )


def _prefixes(conditions: list[Any]) -> frozenset[str]:
    """Return /v1/a and /v1/b for `^/v1/(a|b)(/.*)?$`."""
    (pattern,) = conditions[0]["PathPatternConfig"]["RegexValues"]
    assert pattern.startswith("^/v1/(")
    assert pattern.endswith(")(/.*)?$")
    return frozenset(f"/v1/{segment}" for segment in pattern[len("^/v1/(") : -len(")(/.*)?$")].split("|"))


def compose(service: str) -> DeployedService:
    """Read `compose.yaml`, the Dockerfile of all services and the load balancer's configuration.

    A value that contains a password or a key is a secret, named after its variable.
    """
    declared = yaml.safe_load(COMPOSE.read_text())["services"][service]
    dockerfile = DOCKERFILE.read_text()
    variables, secrets = {}, {}
    for name, value in declared["environment"].items():
        if password := re.search(r"\$\{(\w+_(?:PASSWORD|KEY)):-", value):
            secrets[name] = f"<password {password[1]}>"
        else:
            variables[name] = value.replace(f"{APP}-{COMPOSE_ENVIRONMENT}-", f"{APP}-{ENVIRONMENT}-")
    return DeployedService(
        port=int(_single_match(r"proxy_pass https://\$service:([0-9]+);", BALANCER.read_text())),
        health=_probed([_single_match(r"HEALTHCHECK .*\\\n\s+CMD (.*)", dockerfile)]),
        prefixes=_balanced(BALANCER.read_text()).get(service, frozenset()),
        command=(*json.loads(_single_match(r"ENTRYPOINT (.*)", dockerfile)), *declared["command"]),
        variables=variables,
        secrets=secrets,
        size=(None, int(declared["deploy"]["resources"]["limits"]["memory"].removesuffix("M"))),
    )


def _single_match(pattern: str, text: str) -> str:
    """Return the text of the pattern's group, which must be the same in all matches."""
    (found,) = set(re.findall(pattern, text))
    return str(found)


def _balanced(text: str) -> dict[str, frozenset[str]]:
    """Return /v1/a and /v1/b for `~^/v1/(a|b)(/|$) service;`, by service."""
    found: dict[str, set[str]] = {}
    for names, service in re.findall(r"~\^/v1/\(?([a-z|-]+)\)?\(/\|\$\) ([a-z]+);", text):
        found.setdefault(service, set()).update(f"/v1/{name}" for name in names.split("|"))
    return {service: frozenset(prefixes) for service, prefixes in found.items()}


ADAPTERS: dict[str, Callable[[str], DeployedService]] = {"copilot": copilot, "ecs": ecs, "compose": compose}
"""The functions that read a service's files, by the way of deployment."""
ON_AWS = ("copilot", "ecs")
