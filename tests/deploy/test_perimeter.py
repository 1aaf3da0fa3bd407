"""The protection of a deployment from outside, and the content of its logs; for both ways of deployment."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.copilot import Packages
from tests.deploy.names import APP, ECS, ENVIRONMENTS
from tests.deploy.templates import load, resources

LOG_DAYS = 7
READER = f"arn:aws:iam::000000000000:role/{APP}-prod-access-log-reader"


def properties(template: Path, kind: str, environment: str = "prod") -> Iterator[Mapping[str, Any]]:
    """Yield the properties of the resources of a type that the template creates in an environment."""
    names = {"App": APP, "AppName": APP, "Env": environment, "EnvironmentName": environment}
    for _, evaluated in resources(load(template), kind, names):
        yield evaluated


@pytest.fixture(params=["ecs", "copilot"])
def balancer(request: pytest.FixtureRequest) -> Path:
    """Return the template with the load balancer."""
    if request.param == "ecs":
        return ECS / "platform.yml"
    packages: Packages = request.getfixturevalue("packages")
    return packages.environment("prod")


def test_load_balancer_has_the_firewall(balancer: Path) -> None:
    (association,) = properties(balancer, "AWS::WAFv2::WebACLAssociation")
    assert "LoadBalancer" in association["ResourceArn"]
    assert "FirewallArn" in association["WebACLArn"]


def test_access_logs_are_stored_for_days_and_read_by_one_role(balancer: Path) -> None:
    rules = [
        rule
        for bucket in properties(balancer, "AWS::S3::Bucket")
        for rule in bucket.get("LifecycleConfiguration", {}).get("Rules", [])
    ]
    assert any(0 < rule.get("ExpirationInDays", 0) <= LOG_DAYS for rule in rules)
    statements = [
        statement
        for policy in properties(balancer, "AWS::S3::BucketPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    (denied,) = (each for each in statements if each.get("Sid") == "OneRoleReads")
    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    assert set(denied["Action"]) == {"s3:GetObject", "s3:GetObjectVersion"}
    assert denied["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": READER}}


def test_reader_of_access_logs_needs_a_second_factor() -> None:
    (role,) = properties(ECS / "data" / "firewall.yml", "AWS::IAM::Role")
    assert role["RoleName"] == READER.rpartition("/")[2]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def test_firewall_logs_only_blocked_requests_without_their_urls() -> None:
    (logging,) = properties(ECS / "data" / "firewall.yml", "AWS::WAFv2::LoggingConfiguration")
    fields = [next(iter(field)) for field in logging["RedactedFields"]]
    assert {"UriPath", "QueryString"} <= set(fields)
    headers = {field["SingleHeader"]["Name"] for field in logging["RedactedFields"] if "SingleHeader" in field}
    assert headers == {"authorization", "cookie"}
    assert logging["LoggingFilter"]["DefaultBehavior"] == "DROP"


def test_firewall_samples_no_requests() -> None:
    (firewall,) = properties(ECS / "data" / "firewall.yml", "AWS::WAFv2::WebACL")
    shown = [firewall["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in firewall["Rules"])]
    assert [each["SampledRequestsEnabled"] for each in shown] == [False] * len(shown)


def test_database_logs_no_values_and_audits_changes_of_schema_and_roles() -> None:
    (group,) = properties(ECS / "data" / "database.yml", "AWS::RDS::DBClusterParameterGroup")
    given = group["Parameters"]
    assert given["log_parameter_max_length"] == given["log_parameter_max_length_on_error"] == "0"
    assert "pgaudit" in given["shared_preload_libraries"].split(",")
    assert (given["pgaudit.log"], given["pgaudit.log_parameter"]) == ("ddl,role", "0")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_stores_of_production_are_protected_from_deletion(environment: str) -> None:
    is_protected = environment == "prod"
    tables = list(properties(ECS / "data" / "tables.yml", "AWS::DynamoDB::Table", environment))
    assert tables
    assert [table["DeletionProtectionEnabled"] for table in tables] == [is_protected] * len(tables)
    (cluster,) = properties(ECS / "data" / "database.yml", "AWS::RDS::DBCluster", environment)
    assert cluster["DeletionProtection"] is is_protected
