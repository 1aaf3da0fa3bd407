"""Fixtures: one platform for all tests of this directory; each imports its own providers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.platform import Platform, running_platform
from tests.support.visits import MANY_VISITS


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home: Path = tmp_path_factory.mktemp("chaos") / "home"
    with running_platform(home, "--demo-providers", "200", environment=MANY_VISITS) as running:
        yield running
