"""Reads the status page of a service under test."""

import json
import urllib.request
from typing import Any

from millrace_local.up.environment import caller_key_variables
from millrace_platform.service_tokens import CallPurpose, operator_headers

KEYS = caller_key_variables()
"""Keys for the environment of each service that is started."""


def read_status(service: str, port: int) -> dict[str, Any]:
    """Return the status page of a service that has `KEYS`; raise `OSError` while it is unavailable."""
    url = f"http://127.0.0.1:{port}/internal/{service}/status"
    request = urllib.request.Request(url, headers=operator_headers(KEYS, service, CallPurpose.STATUS))
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        status: dict[str, Any] = json.load(response)
        return status
