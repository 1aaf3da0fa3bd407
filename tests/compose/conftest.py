"""One stack of containers for all of these tests, which are run in their order."""

from collections.abc import Iterator, Sequence

import httpx
import pytest

from tests.compose.load import free_times
from tests.compose.stack import Stack, require_docker
from tests.support.people import Person, patient
from tests.support.platform import Platform, free_port

DEMO_PROVIDERS = 2000


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    require_docker()
    stack = Stack(free_port(), tmp_path_factory.mktemp("compose") / "home", DEMO_PROVIDERS)
    stack.down("--volumes", "--remove-orphans")  # of a run that was killed
    try:
        stack.up()
        yield stack
    except BaseException:
        print(stack.logs())
        raise
    finally:
        stack.down("--volumes", "--remove-orphans")


@pytest.fixture(scope="session")
def platform(stack: Stack) -> Platform:
    return stack.platform


@pytest.fixture
def http(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        yield client


@pytest.fixture
def people(http: httpx.Client) -> Sequence[Person]:
    """Who signed in a moment ago: access tokens are good for a quarter of an hour."""
    return [patient(http, name) for name in ("mary", "grace")]


@pytest.fixture(scope="session")
def times(platform: Platform) -> Iterator[tuple[str, str]]:
    """Shared by all tests, so that each finds free ones."""
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        return free_times(client)
