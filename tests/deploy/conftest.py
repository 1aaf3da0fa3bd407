"""Fixtures: an AWS emulator with more services than the one that other tests use, and what is deployed to it."""

from collections.abc import Iterator

import pytest

from millrace_local.ports import free_port
from millrace_local.servers import ministack
from millrace_local.servers.postgres import Postgres
from millrace_local.testing import running
from tests.deploy.copilot import Packages, package
from tests.deploy.running import Deployment, deploy_data, deployment, make_cache_users
from tests.deploy.stacks import Cloud

SERVICES = (
    "acm,cloudformation,cloudwatch,cognito-idp,dynamodb,ecr,iam,kinesis,kms,logs,s3,secretsmanager,ses,sns,ssm,sts"
)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Start the emulator; `cloud.deploy` creates stacks in it."""
    directory = tmp_path_factory.mktemp("cloud")
    port = free_port()
    server = ministack.Ministack(ministack.environment_directory(), directory, port, services=SERVICES)
    server.prepare()
    with running(server.spec(), directory / "log"):
        yield Cloud(server.endpoint, port)


@pytest.fixture(scope="session")
def packages(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Package every environment and service with `copilot`."""
    return package(cloud, tmp_path_factory.mktemp("copilot"))


@pytest.fixture(scope="session")
def exports(cloud: Cloud) -> dict[str, str]:
    """Deploy the templates of data stores and of the services' permissions; return their exports by name."""
    return deploy_data(cloud)


@pytest.fixture(scope="session")
def deployed(
    cloud: Cloud,
    exports: dict[str, str],
    embedded_postgres: Postgres,
    embedded_valkey_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """Run every service on the resources that the templates create."""
    urls = make_cache_users(embedded_valkey_port)
    with deployment(cloud, exports, embedded_postgres, urls, tmp_path_factory.mktemp("services")) as running_services:
        yield running_services
