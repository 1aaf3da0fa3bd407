"""Services on the resources of our templates: a change reaches search, and AWS calls match the IAM policies."""

import itertools
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from tests.deploy.names import APP, ECS
from tests.deploy.recorder import Call
from tests.deploy.running import ENVIRONMENT, MILLRACE, PRESENT, Deployment
from tests.deploy.templates import Evaluation, load
from tests.support.platform import wait_for

SECONDS = 90
pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]  # the first test waits for all services to start

NOT_CALLED_HERE = {
    ("*", "dynamodb:DeleteItem"): "leases are deleted after a reshard, when the closed shard is read to its end",
    ("*", "dynamodb:GetItem"): "a lease is read again after another worker changed it",
    ("*", "kms:*"): "AWS services use the key on behalf of the caller; only patients calls KMS itself",
    ("*", "logs:*"): "used by the collector",
    ("*", "xray:*"): "used by the collector",
    ("*", "s3:PutObject"): "a trail without entries gets no anchors, and no personal data is accessed here",
    ("*", "s3:GetObjectVersion"): "an operator's command reads the anchors",
    ("*", "s3:ListBucketVersions"): "an operator's command reads the anchors",
    ("patients", "kinesis:PutRecords"): "no patient is changed here, because that requires a token of Cognito",
    ("patients", "dynamodb:PutItem"): "no person is erased here, because that requires a token of Cognito",
    ("patients", "dynamodb:Scan"): "an operator's command reads the erasures after a restore",
    ("scheduling", "kinesis:PutRecords"): "nothing is booked here, because that requires a token of Cognito",
    ("reviews", "kinesis:PutRecords"): "nothing is reviewed here, because that requires a token of Cognito",
    ("notifications", "ses:SendEmail"): "no email is sent here",
}
"""Actions that are allowed but not called in this run, with the reason, by service and action."""


def import_providers(deployed: Deployment, files: Path, *, seed: int) -> None:
    """Generate providers, different ones for each seed, and import them."""
    count = ("--providers", "60", "--seed", str(seed))
    deployed.run("directory", str(MILLRACE), "demo", *count, "--out", str(files))
    deployed.run("directory", str(MILLRACE), "import", "nppes", str(files / "nppes.csv"))


UNREADABLE = ("provider-location/unknown", "practice/unknown", "account/unknown")
"""Partition keys of records that are no valid events; each consumer reads entities of one of these types."""


@pytest.fixture(scope="module")
def searched(deployed: Deployment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Import, put unreadable records on each stream, and return the first search with results."""
    directory = tmp_path_factory.mktemp("demo")
    import_providers(deployed, directory / "first", seed=7)
    kinesis = deployed.cloud.client("kinesis")
    for stream, key in itertools.product(("changes", "entities"), UNREADABLE):
        kinesis.put_record(StreamName=f"{APP}-{ENVIRONMENT}-{stream}", Data=b"not an envelope", PartitionKey=key)

    entries = httpx.get(f"{deployed.url('directory')}/v1/directory/provider-locations", params={"limit": 1}, timeout=10)
    (entry,) = entries.json()["items"]
    where = {"specialty": entry["taxonomy"], "near": entry["address"]["zip"][:5], "radius_mi": 10}

    def found() -> dict[str, Any] | None:
        response = httpx.get(f"{deployed.url('search')}/v1/search", params=where, timeout=10)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return None  # the first read model doesn't exist yet
        body: dict[str, Any] = response.raise_for_status().json()
        return body if body["total"] else None

    first = wait_for(found, seconds=SECONDS, what=f"a search with {where} that has results")
    page = httpx.get(f"{deployed.url('search')}/v1/providers/{entry['npi']}", timeout=10)
    assert page.status_code == 200
    # The first read model is built from the whole truth; later changes write single cards.
    import_providers(deployed, directory / "second", seed=8)
    return first


def statements(service: str, deployed: Deployment) -> Iterator[tuple[str, str]]:
    """Yield each pair of action and resource that the service's policy allows."""
    template = load(ECS / "access" / f"{service}.yml")
    parameters = {"App": APP, "Env": ENVIRONMENT, "Name": service}
    document = template["Resources"]["AccessPolicy"]["Properties"]["PolicyDocument"]
    own_key = deployed.exports.get(f"{APP}-{ENVIRONMENT}-{service}-KmsKeyId", "")
    for statement in Evaluation(template, parameters, deployed.exports).value(document)["Statement"]:
        resources = statement["Resource"]
        for action in statement["Action"]:
            for resource in resources if isinstance(resources, list) else [resources]:
                yield action, own_key if resource == "<PatientsKey.Arn>" else resource


def allows(action: str, resource: str, call: Call) -> bool:
    # A call with an iterator doesn't name its stream.
    hidden = call.resource.endswith("stream/*") and ":stream/" in resource
    return fnmatchcase(call.action, action) and (hidden or fnmatchcase(call.resource, resource))


def test_change_reaches_search_through_the_templates_resources(searched: dict[str, Any]) -> None:
    assert searched["results"]


@pytest.mark.parametrize("service", PRESENT)
def test_services_calls_are_allowed(deployed: Deployment, searched: dict[str, Any], service: str) -> None:
    assert not deployed.recorders[service].not_understood
    allowed = list(statements(service, deployed))
    refused = [c for c in sorted(deployed.recorders[service].calls) if not any(allows(a, r, c) for a, r in allowed)]
    assert refused == []


@pytest.mark.parametrize("service", PRESENT)
def test_policies_allow_only_recorded_calls(deployed: Deployment, searched: dict[str, Any], service: str) -> None:
    def unused() -> list[tuple[str, str]]:
        calls = deployed.recorders[service].calls
        return [
            (action, resource)
            for action, resource in statements(service, deployed)
            if not any(allows(action, resource, call) for call in calls)
            and not any(fnmatchcase(service, one) and fnmatchcase(action, pattern) for one, pattern in NOT_CALLED_HERE)
        ]

    wait_for(lambda: not unused() or None, seconds=60, what=f"a call of each of {unused()}")


def test_patients_uses_only_its_own_kms_key(deployed: Deployment) -> None:
    key = deployed.exports[f"{APP}-{ENVIRONMENT}-patients-KmsKeyId"]
    called = {call for call in deployed.recorders["patients"].calls if call.action.startswith("kms:")}
    assert {call.action for call in called} == {"kms:GenerateDataKey", "kms:Decrypt"}
    assert all(call.resource.endswith(key) for call in called)


@pytest.mark.parametrize(
    ("service", "command"),
    [
        *(("search", each) for each in ("SET key value", "FLUSHALL", "CONFIG GET *", "EVAL return_1 0")),
        *(("projector", each) for each in ("FLUSHALL", "CONFIG GET *", "KEYS *", "SHUTDOWN")),
    ],
)
def test_services_cannot_run_dangerous_redis_commands(deployed: Deployment, service: str, command: str) -> None:
    with (
        redis.Redis.from_url(deployed.environments[service]["MILLRACE_REDIS_URL"]) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())
