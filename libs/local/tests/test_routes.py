"""The load balancer's path rules."""

import pytest

from millrace_local.routes import SERVICES, service_for


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/search", "search"),
        ("/v1/providers/1234567893/locations", "search"),
        ("/v1/directory/providers", "directory"),
        ("/v1/insurance-plans/11111AA0010001", "directory"),
        ("/v1/reviews/own", "reviews"),
        ("/v1/webhooks/0/deliveries", "notifications"),
        ("/v1/searching", None),
        ("/v1", None),
        ("/v1/%73earch", None),
    ],
)
def test_rules_match_whole_segments(path: str, service: str | None) -> None:
    assert service_for(path) == service


@pytest.mark.parametrize("service", SERVICES)
def test_internal_paths_are_not_routed(service: str) -> None:
    assert service_for(f"/internal/{service}") is None
    assert service_for(f"/internal/{service}/status") is None
