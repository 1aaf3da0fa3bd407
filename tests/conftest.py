"""How tests are shared out over worker processes (pytest-xdist)."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

END_TO_END = "tests/e2e"


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """A file's tests run in one worker, and those of one platform in the same: it is brought up once."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, _ = nodeid.partition("::")
        return END_TO_END if path.startswith(f"{END_TO_END}/") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Take the place of `--dist`."""
    return ByFile(config, log)
