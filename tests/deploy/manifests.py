"""A strict schema of our Copilot manifests, because Copilot itself ignores unknown keys.

The schema contains only the keys that we use. A test checks that each of them is in Copilot's own program.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Duration = Annotated[str, StringConstraints(pattern=r"^[0-9]+(ms|s|m)$")]
Text = Annotated[str, StringConstraints(min_length=1)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ContainerHealth(Strict):
    command: list[str]
    interval: Duration
    timeout: Duration
    retries: int
    start_period: Duration


class Image(Strict):
    location: Text
    port: int
    healthcheck: ContainerHealth


class TargetHealth(Strict):
    path: Text
    interval: Duration
    timeout: Duration
    healthy_threshold: int
    unhealthy_threshold: int
    grace_period: Duration | None = None


class Rule(Strict):
    path: Text
    alias: Text
    healthcheck: TargetHealth
    deregistration_delay: Duration


class Http(Rule):
    additional_rules: list[Rule] = []


class Range(Strict):
    min: int
    max: int
    spot_from: int


class Cooldown(Strict):
    in_: Duration = Field(alias="in")
    out: Duration


class Count(Strict):
    range: Range
    cooldown: Cooldown
    cpu_percentage: int
    requests: int | None = None
    response_time: Duration | None = None


class CountChange(Strict):
    range: Range


class FromStack(Strict):
    from_cfn: Text


class FromSecretsManager(Strict):
    secretsmanager: Text


class Placement(Strict):
    placement: Literal["private"]
    security_groups: list[FromStack] = []


class Network(Strict):
    vpc: Placement


class Volume(Strict):
    path: Text
    read_only: bool


class Storage(Strict):
    readonly_fs: Literal[True]
    volumes: dict[str, Volume]


class Logging(Strict):
    retention: int


class Deployment(Strict):
    rolling: Literal["default"]
    rollback_alarms: list[Text]


class Sidecar(Strict):
    image: Text
    essential: bool
    secrets: dict[str, Text | FromStack]


class EnvironmentOverride(Strict):
    exec: bool | None = None
    count: CountChange | None = None


class Service(Strict):
    """The schema of `copilot/<service>/manifest.yml`."""

    name: Text
    type: Literal["Load Balanced Web Service", "Backend Service"]
    image: Image
    http: Http | None = None
    cpu: int
    memory: int
    platform: Literal["linux/x86_64"]
    count: Count
    exec: bool
    entrypoint: list[str]
    command: list[str]
    network: Network
    storage: Storage
    logging: Logging
    deployment: Deployment
    variables: dict[str, Text | FromStack]
    secrets: dict[str, Text | FromStack | FromSecretsManager] = {}
    sidecars: dict[str, Sidecar]
    environments: dict[Literal["dev", "staging", "prod"], EnvironmentOverride]


class Subnet(Strict):
    cidr: Text


class Subnets(Strict):
    public: list[Subnet]
    private: list[Subnet]


class FlowLogs(Strict):
    retention: int


class Vpc(Strict):
    cidr: Text
    subnets: Subnets
    flow_logs: FlowLogs


class EnvironmentNetwork(Strict):
    vpc: Vpc


class PublicHttp(Strict):
    certificates: list[Text]
    ssl_policy: Text
    access_logs: bool


class EnvironmentHttp(Strict):
    public: PublicHttp


class Observability(Strict):
    container_insights: bool


class Environment(Strict):
    """The schema of `copilot/environments/<name>/manifest.yml`."""

    name: Text
    type: Literal["Environment"]
    network: EnvironmentNetwork
    http: EnvironmentHttp
    observability: Observability


class SourceProperties(Strict):
    branch: Text
    repository: Text


class Source(Strict):
    provider: Literal["GitHub"]
    properties: SourceProperties


class PipelineBuild(Strict):
    image: Text
    buildspec: Text


class StageDeployment(Strict):
    depends_on: list[Text] = []


class Action(Strict):
    buildspec: Text
    depends_on: list[Text] = []


class Stage(Strict):
    name: Text
    requires_approval: bool = False
    deployments: dict[str, StageDeployment]
    post_deployments: dict[str, Action] = {}


class Pipeline(Strict):
    """The schema of `copilot/pipelines/<name>/manifest.yml`."""

    name: Text
    version: Literal[1]
    source: Source
    build: PipelineBuild
    stages: list[Stage]


def keys(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> set[str]:
    """Return every key in a schema at any depth, without names that we choose, such as those of variables."""
    seen = set() if seen is None else seen
    seen.add(model)
    found = {field.alias or name for name, field in model.model_fields.items()}
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            if inner not in seen:
                found |= keys(inner, seen)
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]
