"""Distribution of tests over worker processes (pytest-xdist), and an HTTP client for a platform."""

from collections.abc import Iterator

import httpx
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.platform import Platform

END_TO_END = "tests/e2e"


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """Runs the tests of one file in one worker, and all end-to-end tests in one, because they share a platform."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, _ = nodeid.partition("::")
        return END_TO_END if path.startswith(f"{END_TO_END}/") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling:
    """Replace the scheduler that `--dist` selects."""
    return FileScheduling(config, log)


@pytest.fixture
def http(platform: Platform) -> Iterator[httpx.Client]:
    """Yield a client for the public address of the platform."""
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        yield client
