"""No input makes a service fail: all malformed requests, tens of thousands, for every operation and every header."""

import pytest

from millrace_local.routes import SERVICES
from tests.support.fuzzing.scene import Scene, every_case
from tests.support.platform import Platform

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def scene(platform: Platform) -> Scene:
    return Scene.create(platform)


@pytest.mark.parametrize("service", SERVICES)
def test_no_malformed_request_makes_a_service_fail(scene: Scene, service: str) -> None:
    failures = scene.fuzz(service, every_case(scene.targets(service)))
    assert not failures, "\n".join(map(str, failures[:50]))
    assert scene.own_profile().status_code == 200, "the caller's session ended while others depended on it"
