"""Runs the real `copilot` to package every environment and service without an AWS account."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.aws_names import Application, aws_names
from tests.deploy.names import (
    ACCOUNT,
    APP,
    COPILOT,
    DOMAIN,
    ENVIRONMENTS,
    HTTP_SERVICES,
    REGION,
    SERVICES,
)
from tests.deploy.stacks import Cloud
from tests.deploy.tools import run, tool

VERSION = "v1.34.1"
STACK_SET = f"{APP}-infrastructure"
IMAGES = {
    f"MILLRACE_{name.upper()}_IMAGE": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{APP}/{name}@sha256:{'0' * 64}"
    for name in (*SERVICES, "collector")
}
"""The variables with the images that the manifests use."""
BOOTSTRAP = """
Parameters:
  AppName: {Type: String}
  EnvironmentName: {Type: String}
  ALBWorkloads: {Type: String}
  NATWorkloads: {Type: String}
Resources:
  Nothing: {Type: AWS::CloudFormation::WaitConditionHandle}
Outputs:
  EnabledFeatures: {Value: !Sub '${ALBWorkloads},${NATWorkloads},,'}
"""


@dataclass(frozen=True, slots=True)
class Packages:
    """Templates packaged by Copilot. `failures` has the error text by `<environment>` or `<service>/<environment>`."""

    directory: Path
    failures: Mapping[str, str]

    def environment(self, name: str) -> Path:
        return self.directory / name / f"{name}.env.yml"

    def service(self, name: str, environment: str) -> Path:
        return self.directory / name / environment / f"{name}-{environment}.stack.yml"

    def parameters(self, template: Path) -> dict[str, str]:
        """Return the parameters with which Copilot deploys the template of an environment or of a service."""
        given: dict[str, str] = json.loads(
            template.with_name(template.name.replace(".stack.yml", ".yml"))
            .with_suffix(".params.json")
            .read_text()
            .strip()
        )["Parameters"]
        return given

    def templates(self) -> list[Path]:
        """Return the files of all packaged templates, including addons."""
        return sorted(self.directory.rglob("*.yml"))


def package(cloud: Cloud, directory: Path) -> Packages:
    """Package every environment and every service in each environment into `directory`."""
    tool("copilot")
    shell = _shell(cloud)
    application = _application(cloud, shell)
    _register(cloud)
    failures = {}
    with aws_names(directory, cloud.port, application) as proxy:
        environment = {**cloud.variables, **proxy.variables, **shell, "CI": "true"}
        del environment["AWS_ENDPOINT_URL"]
        for name, arguments, target in _packagings(directory):
            done = run("copilot", *arguments, "--output-dir", str(target), environment=environment)
            if done.returncode != 0:
                failures[name] = done.stdout + done.stderr + "\n".join(proxy.refused)
    return Packages(directory, failures)


def _packagings(directory: Path) -> list[tuple[str, list[str], Path]]:
    environments = [(e, ["env", "package", "--name", e, "--force"], directory / e) for e in ENVIRONMENTS]
    services = [
        (f"{s}/{e}", ["svc", "package", "--name", s, "--env", e], directory / s / e)
        for s in SERVICES
        for e in ENVIRONMENTS
    ]
    return environments + services


def _shell(cloud: Cloud) -> dict[str, str]:
    """Return the shell variables that the manifests use; Copilot checks that the certificate exists."""
    certificate = cloud.client("acm").request_certificate(DomainName=DOMAIN, ValidationMethod="DNS")
    return {"MILLRACE_DOMAIN": DOMAIN, "MILLRACE_CERTIFICATE_ARN": certificate["CertificateArn"], **IMAGES}


def _application(cloud: Cloud, shell: Mapping[str, str]) -> Application:
    """Create the resources that `copilot app init` and `copilot env init` create."""
    template = yaml.safe_dump(_infrastructure())
    cloud.deploy(f"StackSet-{STACK_SET}", template)
    described = cloud.client("cloudformation").describe_stacks(StackName=f"StackSet-{STACK_SET}")
    metadata = {}
    for environment in ENVIRONMENTS:
        parameters = {"AppName": APP, "EnvironmentName": environment, "ALBWorkloads": "a", "NATWorkloads": "a"}
        cloud.deploy(f"{APP}-{environment}", BOOTSTRAP, **parameters)
        manifest = (COPILOT / "environments" / environment / "manifest.yml").read_text()
        for name, value in shell.items():
            manifest = manifest.replace(f"${{{name}}}", value)
        metadata[f"{APP}-{environment}"] = yaml.safe_dump({"Version": VERSION, "Manifest": manifest})
    return Application(STACK_SET, template, described["Stacks"][0]["StackId"], metadata)


def _infrastructure() -> dict[str, Any]:
    repositories = {
        f"ECRRepo{service}": {"Value": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{APP}/{service}"}
        for service in SERVICES
    }
    return {
        "Metadata": {"TemplateVersion": "v1.2.0", "Version": 1, "Workloads": [], "Accounts": [ACCOUNT]},
        "Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
        "Outputs": {
            "PipelineBucket": {"Value": f"{APP}-artifacts"},
            "KMSKeyARN": {"Value": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"},
            **repositories,
        },
    }


def _register(cloud: Cloud) -> None:
    """Write Copilot's records of application, environments and services to the Parameter Store."""
    ssm = cloud.client("ssm")

    def put(path: str, record: Mapping[str, str]) -> None:
        ssm.put_parameter(
            Name=f"/copilot/applications/{APP}{path}", Value=json.dumps(record), Type="String", Overwrite=True
        )

    role = f"arn:aws:iam::{ACCOUNT}:role/{APP}"
    put("", {"name": APP, "account": ACCOUNT, "version": "1.0"})
    for environment in ENVIRONMENTS:
        put(
            f"/environments/{environment}",
            {
                "app": APP,
                "name": environment,
                "region": REGION,
                "accountID": ACCOUNT,
                "executionRoleARN": f"{role}-{environment}-CFNExecutionRole",
                "managerRoleARN": f"{role}-{environment}-EnvManagerRole",
            },
        )
    for service in SERVICES:
        kind = "Load Balanced Web Service" if service in HTTP_SERVICES else "Backend Service"
        put(f"/components/{service}", {"app": APP, "name": service, "type": kind})
