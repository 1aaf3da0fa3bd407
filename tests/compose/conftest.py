"""Fixtures: one stack of containers for all tests in this directory, which run in order."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import httpx
import pytest

from millrace_local.ports import free_port
from tests.compose.load import free_times
from tests.compose.stack import Stack, require_docker
from tests.support.people import Person, patient, sign_in
from tests.support.platform import Platform

DEMO_PROVIDERS = 2000
SIGNED_IN_SECONDS = 420.0
"""Age in seconds up to which an access token is used, so that a test ends before it expires after 900 s."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    require_docker()
    stack = Stack(free_port(), tmp_path_factory.mktemp("compose") / "home", DEMO_PROVIDERS)
    stack.down("--volumes", "--remove-orphans")  # left by a killed run
    try:
        stack.up()
        with pytest.MonkeyPatch.context() as patch:
            # For the clients of the tests' own processes: of HTTP and Valkey by OpenSSL's variable, then of PostgreSQL.
            patch.setenv("SSL_CERT_FILE", str(stack.authority))
            patch.setenv("PGSSLMODE", "verify-full")
            patch.setenv("PGSSLROOTCERT", str(stack.authority))
            yield stack
    except BaseException:
        print(stack.logs())
        raise
    finally:
        stack.down("--volumes", "--remove-orphans")


@pytest.fixture(scope="session")
def platform(stack: Stack) -> Platform:
    return stack.platform


@pytest.fixture(scope="session")
def known() -> dict[str, tuple[Person, float]]:
    """Return the signed-up people by name, with the time of their last sign-in on the monotonic clock."""
    return {}


@pytest.fixture
def people(platform: Platform, http: httpx.Client, known: dict[str, tuple[Person, float]]) -> Sequence[Person]:
    """Return people with valid tokens. They are signed up only once, because sign-ups are limited per address."""
    now = time.monotonic()
    for name in ("mary", "grace"):
        person, since = known.get(name) or (patient(platform, http, name), now)
        fresh = now - since < SIGNED_IN_SECONDS
        known[name] = (person, since) if fresh else (sign_in(platform, http, person.email), now)
    return [replace(person, http=http) for person, _ in known.values()]


@pytest.fixture(scope="session")
def times(platform: Platform) -> Iterator[tuple[str, str]]:
    """Yield bookable times as provider-location id and start; shared by all tests, so that none is used twice."""
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        return free_times(client)
