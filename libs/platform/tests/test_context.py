"""Recognition of probes."""

import pytest

from millrace_platform.context import is_probe


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/internal/projector/status"])
def test_health_and_status_paths_are_probes(path: str) -> None:
    assert is_probe(path)


@pytest.mark.parametrize("path", ["/v1/search", "/internal/directory/replay", "/v1/status", "/internal/x/status/y"])
def test_other_paths_are_not_probes(path: str) -> None:
    assert not is_probe(path)
