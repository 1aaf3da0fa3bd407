"""Settings that all services share."""

import os
import time
from typing import Any

import pytest
from pydantic import ValidationError

from millrace_platform.ids import Uuid7
from millrace_platform.service import Infrastructure
from millrace_platform.settings import PlatformSettings

DAY = 86_400.0
EMULATOR = "http://127.0.0.1:4566"
NO_PROCESS = 2**22
"""Greater than the greatest process id of Linux."""


def test_clock_of_a_service_is_ahead_but_its_ids_are_not() -> None:
    settings = PlatformSettings(clock_ahead=3 * DAY, supervisor_pid=os.getppid(), aws_endpoint_url=EMULATOR)
    infrastructure = Infrastructure.of(settings)
    assert infrastructure.clock.time() == pytest.approx(time.time() + 3 * DAY, abs=60)
    assert infrastructure.clock.monotonic() == pytest.approx(time.monotonic(), abs=60)
    assert isinstance(infrastructure.ids, Uuid7)
    assert infrastructure.ids().int >> 80 == pytest.approx(time.time() * 1000, abs=60_000)
    assert Infrastructure.of(PlatformSettings()).clock.time() == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aws_endpoint_url": None}, id="on AWS"),
        pytest.param({"aws_endpoint_url": "http://aws:4566"}, id="in Compose"),
        pytest.param({"listen_host": "10.0.0.7"}, id="in a container"),
        pytest.param({"supervisor_pid": None}, id="without a supervisor"),
        pytest.param({"supervisor_pid": NO_PROCESS}, id="after the supervisor ended"),
        pytest.param({"clock_ahead": -DAY}, id="backwards"),
    ],
)
def test_shifted_clock_is_refused_outside_of_a_local_platform(changes: dict[str, Any]) -> None:
    local: dict[str, Any] = {"clock_ahead": 3 * DAY, "supervisor_pid": os.getppid(), "aws_endpoint_url": EMULATOR}
    PlatformSettings(**local)
    with pytest.raises(ValidationError, match=r"(?i)clock_ahead"):
        PlatformSettings(**{**local, **changes})
