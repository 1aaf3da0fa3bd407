"""The reference pages name every metric, alarm and permission, and no other; the pages on security name real tests.

Decisions that extend or replace others are named there.
"""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.deploy.asvs import requirements
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


SECURITY = REPOSITORY / "docs" / "explanation" / "security.md"
ASVS = REPOSITORY / "docs" / "reference" / "asvs.md"
STATES = ("met", "in part", "not met", "not applicable")
EVIDENCE = re.compile(r"`((?:libs|services|tests|ecs|copilot|compose)/[^`:]+)((?:::\w+)*)`")


@pytest.mark.parametrize("path", [SECURITY, ASVS], ids=lambda path: path.stem)
def test_tests_that_pages_on_security_name_exist(path: Path) -> None:
    named = EVIDENCE.findall(path.read_text())
    assert len(named) > 20
    for file, names in named:
        assert (REPOSITORY / file).exists(), file
        for name in names.split("::")[1:]:
            assert re.search(rf"^ *(async def|def|class) {name}\b", (REPOSITORY / file).read_text(), re.M), (
                f"{file} {name}"
            )


class Requirement(NamedTuple):
    """A row of the page on ASVS."""

    number: str
    level: int
    state: str
    answer: str
    evidence: str


def rows() -> list[Requirement]:
    """Return the rows of the page on ASVS; raise ValueError for one with another number of cells."""
    found = []
    for line in re.findall(r"^\| (\d.*) \|$", ASVS.read_text(), re.M):
        number, level, state, answer, evidence = re.split(r" \| ?", line)
        found.append(Requirement(number, int(level), state, answer, evidence))
    return found


def test_asvs_page_has_each_requirement_of_both_levels_once() -> None:
    assert [(row.number, row.level) for row in rows()] == [each for each in requirements() if each[1] <= 2]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.number)
def test_each_requirement_has_a_state_and_what_proves_it(row: Requirement) -> None:
    assert row.state in STATES
    assert row.answer
    proofs = re.findall(r"`([^`:]+)[^`]*`", row.evidence)
    assert bool(proofs) is (row.state in {"met", "in part"})
    for proof in proofs:
        assert (REPOSITORY / proof).exists(), proof


def test_asvs_page_counts_its_rows() -> None:
    counted = Counter((state, row.level) for row in rows() for state in (row.state, "all"))
    stated = re.findall(r"^\| ([a-z ]+) \| (\d+) \| (\d+) \| (\d+) \|$", ASVS.read_text(), re.M)
    assert [(state, *map(int, counts)) for state, *counts in stated] == [
        (state, counted[state, 1], counted[state, 2], counted[state, 1] + counted[state, 2])
        for state in (*STATES, "all")
    ]


def test_security_page_names_requirements_of_asvs() -> None:
    threats = re.findall(r"^\| [^|]+ \| [^|]+ \| ([\d., ]+) \|", SECURITY.read_text(), re.M)
    assert len(threats) > 20
    numbers = {number for cell in threats for number in cell.split(", ")}
    assert numbers <= {number for number, _ in requirements()}


def test_decisions_that_extend_or_replace_others_are_named_there() -> None:
    pages = {path.name[:4]: path.read_text() for path in (REPOSITORY / "docs" / "decisions").glob("[0-9]*.md")}
    states = {number: text.split("\n\n")[1] for number, text in pages.items()}
    later = {number: state for number, state in states.items() if re.search(r"· (extends|replaces) ", state)}
    named = {(number, earlier) for number, state in later.items() for earlier in re.findall(r"\[(\d{4})\]", state)}
    assert len(named) > 10
    naming = {
        (after, earlier)
        for earlier in states.keys() - later.keys()
        for after in re.findall(r"\[(\d{4})\]", states[earlier])
    }
    assert named == naming
