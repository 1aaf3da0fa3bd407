"""Fixtures: one platform with demo data for all end-to-end tests; its telemetry goes to a receiver in this process.

`MILLRACE_TEST_URL` names a platform that is already running, for example in containers; see `Platform.running`. Its
telemetry goes elsewhere, so tests of telemetry are skipped.
"""

from collections.abc import Iterator

import pytest

from tests.support.otlp import Receiver, otlp_receiver
from tests.support.platform import Platform, running_platform
from tests.support.visits import MANY_VISITS


@pytest.fixture(scope="session")
def telemetry() -> Iterator[Receiver]:
    if Platform.running() is not None:
        pytest.skip("the telemetry of this platform goes elsewhere")
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    if (running := Platform.running()) is not None:
        yield running
        return
    telemetry: Receiver = request.getfixturevalue("telemetry")
    home = tmp_path_factory.mktemp("e2e") / "home"
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": telemetry.url,
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_BLRP_SCHEDULE_DELAY": "500",
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
        **MANY_VISITS,
    }
    with running_platform(home, "--demo-providers", "800", environment=variables) as running:
        yield running
