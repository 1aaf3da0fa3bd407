"""One stack of containers for all of these tests, which are run in their order."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import httpx
import pytest

from tests.compose.load import free_times
from tests.compose.stack import Stack, require_docker
from tests.support.people import Person, patient, signed_in
from tests.support.platform import Platform, free_port

DEMO_PROVIDERS = 2000
SIGNED_IN_SECONDS = 420.0
"""Of the access token's 900, so that a test ends before it does."""


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


@pytest.fixture(scope="session")
def known() -> dict[str, tuple[Person, float]]:
    """Who has signed up, and when they last signed in."""
    return {}


@pytest.fixture
def people(http: httpx.Client, known: dict[str, tuple[Person, float]]) -> Sequence[Person]:
    """Who is signed in for some minutes more: sign-ups and sign-ins from one address are limited."""
    now = time.monotonic()
    for name in ("mary", "grace"):
        person, since = known.get(name) or (patient(http, name), now)
        fresh = now - since < SIGNED_IN_SECONDS
        known[name] = (person, since) if fresh else (signed_in(http, person.email), now)
    return [replace(person, http=http) for person, _ in known.values()]


@pytest.fixture(scope="session")
def times(platform: Platform) -> Iterator[tuple[str, str]]:
    """Shared by all tests, so that each finds free ones."""
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        return free_times(client)
