"""The data templates create the resources that the services need."""

import asyncio
import base64
import json
import string
from collections.abc import Mapping
from typing import Any

import pytest

from millrace_feeds import provision
from millrace_feeds.aws import dynamodb_client
from millrace_patients.erasure.ledger import create_ledger_table
from millrace_patients.settings import PatientsSettings
from millrace_platform.audit.key import KEY_LENGTH
from millrace_projector import provision as projector
from millrace_refinery import provision as refinery
from tests.deploy.names import APP, ECS
from tests.deploy.running import ENVIRONMENT
from tests.deploy.stacks import Cloud
from tests.deploy.templates import load

pytestmark = pytest.mark.deploy

TABLES = (
    "truth",
    "refinery",
    "dead-letters",
    "erasures",
    *(
        f"{service}-leases"
        for service in ("refinery", "projector", "directory", "scheduling", "patients", "reviews", "notifications")
    ),
)


def shape(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the comparable parts of a table: keys, key types, indexes and projections."""
    keys = {"KeySchema", "IndexName", "Projection"}
    types = sorted((a["AttributeName"], a["AttributeType"]) for a in description["AttributeDefinitions"])
    indexes = [{key: index[key] for key in keys} for index in description.get("GlobalSecondaryIndexes", [])]
    return {"keys": description["KeySchema"], "types": types, "indexes": indexes}


async def create_erasures_table() -> None:
    """Create the table as `patients` does, whose `init` would also need a database."""
    async with dynamodb_client() as client:
        await create_ledger_table(client, PatientsSettings().patients_erasures_table)


@pytest.fixture(scope="module")
def init_shapes(cloud: Cloud, exports: dict[str, str]) -> dict[str, Any]:
    """Return the shapes of the tables that `millrace init` creates, by plain name."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.variables.items():
            patch.setenv(name, value)
        for step in (provision.init, projector.init, refinery.init, create_erasures_table):
            asyncio.run(step())
    dynamodb = cloud.client("dynamodb")
    names = [name for name in dynamodb.list_tables()["TableNames"] if not name.startswith(f"{APP}-{ENVIRONMENT}-")]
    return {name.removeprefix("millrace-"): shape(dynamodb.describe_table(TableName=name)["Table"]) for name in names}


@pytest.mark.parametrize("table", TABLES)
def test_tables_equal_those_of_init(cloud: Cloud, init_shapes: dict[str, Any], table: str) -> None:
    described = cloud.client("dynamodb").describe_table(TableName=f"{APP}-{ENVIRONMENT}-{table}")["Table"]
    expected = init_shapes.get(table, init_shapes["projector-leases"])  # all lease tables have one shape
    assert shape(described) == expected


@pytest.mark.parametrize("stream", ["changes", "entities"])
def test_streams_scale_and_retain_a_week(cloud: Cloud, exports: dict[str, str], stream: str) -> None:
    name = f"{APP}-{ENVIRONMENT}-{stream}"
    described = cloud.client("kinesis").describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert described["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    assert described["RetentionPeriodHours"] == 168


def generator_of_secret(file: str, secret: str) -> dict[str, Any]:
    """Return the `GenerateSecretString` of a secret in `ecs/access/<file>.yml`, which the emulator ignores."""
    properties = load(ECS / "access" / f"{file}.yml")["Resources"][secret]["Properties"]
    rules: dict[str, Any] = properties["GenerateSecretString"]
    return rules


def test_webhook_key_is_base64_of_32_bytes() -> None:
    rules = generator_of_secret("notifications", "WebhookKey")
    assert rules == {"PasswordLength": 43, "ExcludePunctuation": True}
    for letters in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
        text = (letters * 43)[:43]
        listed = load(ECS / "access" / "notifications.yml")["Resources"]["WebhookKeys"]["Properties"]["SecretString"]
        value = listed["Fn::Sub"].replace("{{resolve:secretsmanager:${WebhookKey}}}", text)
        (key,) = json.loads(value)
        assert len(base64.b64decode(key, validate=True)) == 32


@pytest.mark.parametrize("service", ["scheduling", "reviews"])
def test_audit_key_has_enough_characters(service: str) -> None:
    assert generator_of_secret(service, "AuditKey")["PasswordLength"] >= KEY_LENGTH


def test_anchors_are_locked_and_written_once() -> None:
    resources = load(ECS / "data" / "audit.yml")["Resources"]
    locked = resources["Anchors"]["Properties"]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert (locked["Mode"], locked["Days"]) == ("COMPLIANCE", 2192)
    refused = [each for each in statements_of(resources["AnchorsPolicy"]) if each["Effect"] == "Deny"]
    assert ("s3:PutObject", {"Null": {"s3:if-none-match": "true"}}) in [(e["Action"], e["Condition"]) for e in refused]


@pytest.mark.parametrize("service", ["scheduling", "patients", "reviews"])
def test_services_may_only_add_anchors(service: str) -> None:
    policy = load(ECS / "access" / f"{service}.yml")["Resources"]["AccessPolicy"]
    allowed = {action for each in statements_of(policy) for action in each["Action"] if action.startswith("s3:")}
    assert allowed == {"s3:PutObject", "s3:GetObjectVersion", "s3:ListBucketVersions"}


def statements_of(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return statements


@pytest.mark.parametrize("service", ["directory", "scheduling", "patients", "reviews", "notifications"])
def test_database_password_needs_no_quoting(service: str) -> None:
    assert generator_of_secret(service, "DatabasePassword") == {"PasswordLength": 48, "ExcludePunctuation": True}
