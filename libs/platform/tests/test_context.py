"""What machines ask all the time."""

import pytest

from millrace_platform.context import is_probe


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/internal/projector/status"])
def test_probes_make_no_noise(path: str) -> None:
    assert is_probe(path)


@pytest.mark.parametrize("path", ["/v1/search", "/internal/directory/replay", "/v1/status", "/internal/x/status/y"])
def test_requests_of_people_do(path: str) -> None:
    assert not is_probe(path)
