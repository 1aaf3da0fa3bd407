"""Dashboards and alert rules of Compose use existing metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.names import REPOSITORY, SERVICES

REFERENCE = REPOSITORY / "docs" / "reference" / "metrics.md"
DASHBOARDS = sorted((REPOSITORY / "compose" / "grafana" / "dashboards").glob("*.json"))
RULES = REPOSITORY / "compose" / "rules.yaml"
OBSERVED = REPOSITORY / "compose.observability.yaml"
UNITS = {"s": "_seconds", "ms": "_milliseconds", "d": "_days"}
"""Suffixes that Prometheus appends for units; counts have none."""
ENDINGS = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}
TOPICS = {"search", "freshness", "lag", "booking", "error"}


def metrics_by_series() -> dict[str, str]:
    """Return the metrics of the reference page by the names of their Prometheus series."""
    rows = re.findall(r"^\| `([a-z.]+)` \| (\w+) \| (\w+) \|", REFERENCE.read_text(), re.MULTILINE)
    return {
        name.replace(".", "_") + UNITS.get(unit, "") + ending: name
        for name, unit, kind in rows
        for ending in ENDINGS[kind]
    }


def series_names(expression: str) -> set[str]:
    """Return the names of our series in a Prometheus query."""
    return set(re.findall(r"\b(?:http|millrace)_[a-z_]+(?=[{\[)])", re.sub(r"\([a-z_, ]+\) \(", "(", expression)))


def panels(dashboard: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the title and the Prometheus queries of each panel."""
    for panel in json.loads(dashboard.read_text())["panels"]:
        yield panel["title"], [target["expr"] for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_use_metrics_of_the_reference(dashboard: Path) -> None:
    for title, expressions in panels(dashboard):
        for expression in expressions:
            assert series_names(expression), f"{title}: {expression}"
            assert series_names(expression) <= metrics_by_series().keys(), f"{title}: {expression}"


def test_alerts_use_metrics_of_the_reference() -> None:
    for rule in rules():
        assert series_names(rule["expr"]), rule["alert"]
        assert series_names(rule["expr"]) <= metrics_by_series().keys(), rule["alert"]
        assert rule["annotations"]["summary"]


def test_every_own_metric_is_on_a_dashboard() -> None:
    expressions = [e for dashboard in DASHBOARDS for _, found in panels(dashboard) for e in found]
    shown = {metrics_by_series()[series] for expression in expressions for series in series_names(expression)}
    assert set(metrics_by_series().values()) == shown


def test_each_topic_has_a_panel() -> None:
    titles = " ".join(title for dashboard in DASHBOARDS for title, _ in panels(dashboard)).lower()
    assert {topic for topic in TOPICS if topic not in titles} == set()


def test_every_service_exports_to_the_collector() -> None:
    declared = yaml.safe_load(OBSERVED.read_text())["services"]
    endpoints = {declared[service]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] for service in SERVICES}
    assert endpoints == {"http://collector:4318"}


def test_provisioned_files_are_mounted() -> None:
    """Check that each mounted file exists in the repository."""
    for service in yaml.safe_load(OBSERVED.read_text())["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith("./") or (REPOSITORY / source).exists(), volume


@pytest.mark.parametrize(
    ("expression", "series"),
    [
        ("max by (application, stream) (millrace_feeds_lag_milliseconds) > 3", {"millrace_feeds_lag_milliseconds"}),
        ('sum by (http_route) (rate(http_a_count{http_b="c"}[1m]))', {"http_a_count"}),
    ],
)
def test_series_are_found_in_an_expression(expression: str, series: set[str]) -> None:
    assert series_names(expression) == series
