"""No input makes a service fail: malformed requests for every operation and every header get a response below 500.

`tests/chaos/test_fuzz.py` sends all of them, this one a sample.
"""

from collections.abc import Iterator

import pytest

from millrace_local.routes import SERVICES
from tests.support.fuzzing.scene import Scene, few_cases
from tests.support.platform import Platform


@pytest.fixture(scope="module")
def scene(platform: Platform) -> Iterator[Scene]:
    created = Scene.create(platform)
    yield created
    assert created.own_profile().status_code == 200, "the caller's session ended while others depended on it"


@pytest.mark.parametrize("service", SERVICES)
def test_no_malformed_request_makes_a_service_fail(scene: Scene, service: str) -> None:
    failures = scene.fuzz(service, few_cases(scene.targets(service)))
    assert not failures, "\n".join(map(str, failures))


def test_no_malformed_head_makes_the_edge_fail(scene: Scene) -> None:
    failures = scene.fuzz_edge()
    assert not failures, "\n".join(map(str, failures))
