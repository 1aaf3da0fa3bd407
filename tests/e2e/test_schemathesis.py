"""Every service conforms to its OpenAPI document for generated requests: schemathesis with all its checks.

Each service is called as an administrator; some are called again by roles that reach more operations.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from millrace_local.routes import SERVICES
from tests.support.accounts import Accounts
from tests.support.platform import Platform, run

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
EXAMPLES = 6
"""Generated examples per operation, in addition to the boundary cases of its schema."""
SECONDS = 150.0
"""Limit for one service on a busy machine; 10 to 20 s are usual."""

ENDLESS = "^/v1/availability/stream$"
"""An endless event stream, tested in `services/scheduling/tests/test_openings.py`."""

# A schema can't describe check digits, known ZIP codes or stored data. So data that is valid by the schema may be
# refused as invalid (422), for its version (412, 428) or as a conflict (409).
CONFIGURATION = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "428", "429"]

[generation]
database = "none"

[parameters]
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of generated requests: headers, fixed parameters (`path.patient_id`) and options of schemathesis."""

    headers: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


def administrator(platform: Platform) -> Caller:
    return Caller(platform.token("admin"), options=("--phases", "examples,coverage,fuzzing"))


def administrator_of_any_version(platform: Platform) -> Caller:
    """Return an administrator who sends `If-Match: *`, so that changes aren't refused for their version."""
    return Caller(platform.token("admin"), {"header.if-match": "*"}, ("--phases", "fuzzing,stateful"))


def patient(platform: Platform) -> Caller:
    """Return a patient with a profile who calls all operations on their own data except its erasure."""
    account = Accounts(platform).patient("fuzzed")
    own = ("--include-path-regex", "^/v1/patients/", "--exclude-operation-id", "erasePatient")
    parameters = {"path.patient_id": account.id, "header.if-match": "*"}
    return Caller(account.headers, parameters, (*own, "--phases", "fuzzing,stateful"))


def patient_with_visits(platform: Platform) -> Caller:
    """Return a patient who may hold, book and join the waitlist."""
    own = ("--include-path-regex", "^/v1/(holds|appointments|waitlist)", "--phases", "fuzzing")
    return Caller(Accounts(platform).patient("fuzzed-visits").headers, options=own)


def staff(platform: Platform) -> Caller:
    """Return staff who manage webhooks, with the id of an existing one."""
    practices = httpx.get(f"{platform.url}/v1/directory/practices", params={"limit": 1}, timeout=30).raise_for_status()
    practice = practices.json()["items"][0]["id"]
    account = Accounts(platform).staff("fuzzed-staff", "staff", practices=[practice])
    url = f"{platform.variables['MILLRACE_NOTIFICATIONS_URL']}/v1/webhooks"
    body = {"url": "https://hooks.example.com/millrace"}
    webhook = httpx.post(url, json=body, headers=account.headers, timeout=30).raise_for_status().json()
    parameters = {"path.endpoint_id": webhook["id"], "header.if-match": "*"}
    return Caller(account.headers, parameters, ("--phases", "fuzzing"))


CALLERS: list[tuple[str, Callable[[Platform], Caller]]] = [
    *((service, administrator) for service in SERVICES),
    ("directory", administrator_of_any_version),
    ("patients", patient),
    ("scheduling", patient_with_visits),
    ("notifications", staff),
]


@pytest.mark.parametrize(
    ("service", "caller"), CALLERS, ids=[f"{service}-{caller.__name__}" for service, caller in CALLERS]
)
def test_service_conforms_to_its_openapi_document(
    platform: Platform, tmp_path: Path, service: str, caller: Callable[[Platform], Caller]
) -> None:
    chosen = caller(platform)
    configuration = tmp_path / "schemathesis.toml"
    parameters = "".join(f'"{name}" = "{value}"\n' for name, value in chosen.parameters.items())
    configuration.write_text(CONFIGURATION + parameters)
    url = f"{platform.variables[f'MILLRACE_{service.upper()}_URL']}/openapi.json"
    headers = [word for name, value in chosen.headers.items() for word in ("--header", f"{name}: {value}")]
    command = ["--config-file", str(configuration), "run", url, *headers, *chosen.options, "--checks", "all"]
    limits = ["--seed", "1", "--max-examples", str(EXAMPLES), "--continue-on-failure", "--request-timeout", "10"]
    limits += ["--exclude-path-regex", ENDLESS]
    done = run([str(SCHEMATHESIS), *command, *limits, "--no-color"], seconds=SECONDS, cwd=tmp_path)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_accepted_changes_reach_the_read_model(platform: Platform) -> None:
    parked = platform.millrace("feeds", "dlq", "list")
    assert "No dead letters" in parked.stdout + parked.stderr, parked.stdout
    verified = platform.millrace("verify", "--wait", "60", check=False)
    assert verified.returncode == 0, f"{verified.stdout}\n{verified.stderr}"
