"""One platform with demo data for all end-to-end tests; its telemetry goes to a receiver in the test process."""

from collections.abc import Iterator

import pytest

from tests.support.otlp import Receiver, otlp_receiver
from tests.support.platform import Platform, running_platform


@pytest.fixture(scope="session")
def telemetry() -> Iterator[Receiver]:
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, telemetry: Receiver) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("e2e") / "home"
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": telemetry.url,
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_BLRP_SCHEDULE_DELAY": "500",
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
    }
    with running_platform(home, demo_providers=1000, environment=variables) as running:
        yield running
