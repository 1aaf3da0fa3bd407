"""Any process may be killed in the middle of an import: afterwards directory, truth and read model agree."""

import contextlib
import itertools
import signal
from pathlib import Path

import psutil
import pytest

from tests.support.platform import Platform, wait_for

PROVIDERS = 1500
DRAIN_SECONDS = 300
VERIFY_SECONDS = "30"
seeds = itertools.count(100)


def count_projected_events(platform: Platform) -> int:
    """Return how many events the projector has applied since its start; 0 while it is unavailable."""
    return int(platform.status("projector").get("handled", 0))


@pytest.fixture
def demo(platform: Platform, tmp_path: Path) -> Path:
    """Generate provider files that the platform doesn't have yet."""
    platform.millrace("demo", "--providers", str(PROVIDERS), "--seed", str(next(seeds)), "--out", str(tmp_path))
    return tmp_path


def kill_during_import(platform: Platform, demo: Path, pattern: str, sign: signal.Signals) -> int:
    """Import `demo`, send `sign` to the process matching `pattern` meanwhile, and return the import's exit code."""
    before = count_projected_events(platform)
    importing = platform.start("import", "nppes", str(demo / "nppes.csv"))
    try:
        wait_for(
            lambda: count_projected_events(platform) > before,
            seconds=60,
            what="a change of the import in the projector",
        )
        victim = platform.process_of(pattern)
        victim.send_signal(sign)
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.wait(timeout=60)
        importing.communicate(timeout=120)
        return importing.returncode
    finally:
        importing.kill()


def assert_consistent(platform: Platform, demo: Path) -> None:
    """Check that the platform recovers, and that directory, truth and read model have the same data."""
    wait_for(platform.is_healthy, seconds=90, what="a healthy platform after the kill")
    platform.millrace("import", "nppes", str(demo / "nppes.csv"))
    wait_for(platform.is_quiet, seconds=DRAIN_SECONDS, what="an idle platform")
    verified = platform.millrace("verify", "--wait", VERIFY_SECONDS, check=False)
    assert verified.returncode == 0, f"{verified.stdout}\n{verified.stderr}\n{platform.tail()}"


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("pattern", "sign"),
    [
        pytest.param(r"init_and_run directory", signal.SIGKILL, id="relay"),
        pytest.param(r"init_and_run refinery", signal.SIGKILL, id="refinery"),
        pytest.param(r"init_and_run projector", signal.SIGKILL, id="projector"),
        pytest.param(r"valkey-server", signal.SIGKILL, id="valkey-loses-its-memory"),
        pytest.param(r"ministack", signal.SIGTERM, id="ministack-restarts-with-its-state"),
        pytest.param(r"ministack", signal.SIGKILL, id="ministack-loses-its-state"),
    ],
)
def test_kill_during_an_import_loses_no_data(
    platform: Platform, demo: Path, pattern: str, sign: signal.Signals
) -> None:
    assert kill_during_import(platform, demo, pattern, sign) == 0
    assert_consistent(platform, demo)
