"""The reference pages name every metric, alarm and permission, and no other; the security page names real tests."""

import re

import pytest

from tests.deploy.names import APP, ECS, REPOSITORY, SERVICES
from tests.deploy.templates import Evaluation, load

NAMES = {"App": APP, "Env": "prod"}


def page(name: str) -> str:
    """Return the text of a page in docs/reference."""
    return (REPOSITORY / "docs" / "reference" / f"{name}.md").read_text()


def test_every_alarm_is_documented() -> None:
    alarms = set()
    for path in (ECS / "data").glob("*.yml"):
        evaluation = Evaluation(template := load(path), NAMES)
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::CloudWatch::Alarm":
                alarms.add(evaluation.value(resource["Properties"]["AlarmName"]).removeprefix(f"{APP}-prod-"))
    explained = set(re.findall(r"^\| `([a-z-]+)` \|", page("alarms"), re.M))
    assert explained == alarms


def test_every_metric_is_documented() -> None:
    made = set()
    for folder in ("libs", "services"):
        for path in (REPOSITORY / folder).glob("*/src/**/*.py"):
            made |= set(re.findall(r'create_\w+\(\s*"([a-z][a-z.]+\.[a-z.]+)"', path.read_text()))
    explained = set(re.findall(r"^\| `([a-z.]+)` \|", page("metrics"), re.M))
    assert explained == made


def test_alarms_and_dashboard_use_existing_metrics() -> None:
    explained = set(re.findall(r"^\| `([a-z.]+)` \|", page("metrics"), re.M))
    for name in ("service-alarms", "dashboard"):
        text = (ECS / "data" / f"{name}.yml").read_text()
        assert set(re.findall(r"(?:http|millrace)\.[a-z.]*[a-z](?![a-z._])", text)) <= explained


@pytest.mark.parametrize("service", SERVICES)
def test_every_permission_is_documented(service: str) -> None:
    document = load(ECS / "access" / f"{service}.yml")["Resources"]["AccessPolicy"]["Properties"]["PolicyDocument"]
    rows = dict(re.findall(rf"^\| `{service}` \| (\w+) \| (.*?) \|", page("permissions"), re.M))
    for statement in document["Statement"]:
        if statement["Sid"] not in {"Metrics", "Traces"}:
            assert set(re.findall(r"`([^`]+)`", rows.pop(statement["Sid"]))) == set(statement["Action"])
    assert rows == {}


def test_tests_of_the_security_page_exist() -> None:
    text = (REPOSITORY / "docs" / "explanation" / "security.md").read_text()
    named = re.findall(r"`((?:libs|services|tests)/[^`:]+)((?:::\w+)*)`", text)
    assert len(named) > 20
    for path, names in named:
        assert (REPOSITORY / path).exists(), path
        for name in names.split("::")[1:]:
            assert re.search(rf"^ *(async def|def|class) {name}\b", (REPOSITORY / path).read_text(), re.M), (
                f"{path} {name}"
            )
