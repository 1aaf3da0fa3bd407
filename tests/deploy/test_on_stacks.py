"""Services with the variables of the ECS template, on what the data templates made: the way of a change, and the calls
that it takes, against what the policies allow."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import httpx
import pytest

from tests.deploy.places import APP, ECS
from tests.deploy.recorder import Call
from tests.deploy.running import ENVIRONMENT, MILLRACE, PRESENT, Deployment
from tests.deploy.templates import Evaluation, load
from tests.support.platform import wait_for

SECONDS = 90

NEVER_HERE = {
    "dynamodb:DeleteItem": "a lease is deleted when its shard is closed and read, after a reshard",
    "kms:*": "the stores ask for the key in the caller's name; no call of ours",
    "logs:*": "the collector's",
    "xray:*": "the collector's",
}
"""Allowed, and not seen in this run: why."""


@pytest.fixture(scope="module")
def searched(deployed: Deployment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The first search that finds anybody, after an import; besides, a record on each stream that nobody can read."""
    files = tmp_path_factory.mktemp("demo")
    deployed.run("directory", str(MILLRACE), "demo", "--providers", "60", "--seed", "7", "--out", str(files))
    deployed.run("directory", str(MILLRACE), "import", "nppes", str(files / "nppes.csv"))
    kinesis = deployed.cloud.client("kinesis")
    for stream in ("changes", "entities"):
        kinesis.put_record(StreamName=f"{APP}-{ENVIRONMENT}-{stream}", Data=b"not an envelope", PartitionKey="nobody")

    with httpx.Client(base_url=deployed.url("directory"), timeout=10) as directory:
        entry = directory.get("/v1/directory/provider-locations", params={"limit": 1}).json()
    assert entry

    def found() -> dict[str, Any] | None:
        with httpx.Client(base_url=deployed.url("search"), timeout=10) as search:
            for specialty in ("family-medicine", "internal-medicine", "nurse-practitioner", "dentistry", "pediatrics"):
                answer = search.get(
                    "/v1/search", params={"specialty": specialty, "near": "39.8,-98.6", "radius_mi": 100}
                )
                if answer.status_code == 200 and answer.json()["total"]:
                    body: dict[str, Any] = answer.json()
                    return body
        return None

    return wait_for(found, seconds=SECONDS, what="a search that finds somebody")


def statements(service: str, deployed: Deployment) -> Iterator[tuple[str, str]]:
    """Each action and resource that the service's policy allows."""
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
    # An iterator stands for a stream that it doesn't show.
    hidden = call.resource.endswith("stream/*") and ":stream/" in resource
    return fnmatchcase(call.action, action) and (hidden or fnmatchcase(call.resource, resource))


def test_a_change_reaches_search_through_the_streams_and_tables_of_the_templates(searched: dict[str, Any]) -> None:
    assert searched["results"]


@pytest.mark.parametrize("service", PRESENT)
def test_a_service_calls_what_its_policy_allows(deployed: Deployment, searched: dict[str, Any], service: str) -> None:
    assert not deployed.recorders[service].unread
    allowed = list(statements(service, deployed))
    refused = [c for c in sorted(deployed.recorders[service].calls) if not any(allows(a, r, c) for a, r in allowed)]
    assert refused == []


@pytest.mark.parametrize("service", PRESENT)
def test_a_policy_allows_no_more_than_its_service_calls(
    deployed: Deployment, searched: dict[str, Any], service: str
) -> None:
    def unused() -> list[tuple[str, str]]:
        calls = deployed.recorders[service].calls
        return [
            (action, resource)
            for action, resource in statements(service, deployed)
            if not any(allows(action, resource, call) for call in calls)
            and not any(fnmatchcase(action, pattern) for pattern in NEVER_HERE)
        ]

    wait_for(lambda: not unused() or None, seconds=20, what=f"a call of each of {unused()}")
