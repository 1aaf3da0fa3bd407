"""The environment of a local platform's processes."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from millrace_local.process import launch_environment
from millrace_local.routes import SERVICES
from millrace_local.up.environment import (
    Ports,
    audit_variables,
    caller_key_variables,
    clock_variables,
    identity_variables,
    notifications_variables,
    platform_variables,
    service_variables,
)
from millrace_platform.settings import KEY_LENGTH, PlatformSettings

PORTS = Ports(
    20001,
    20002,
    20003,
    {
        "directory": 20004,
        "refinery": 20005,
        "projector": 20006,
        "search": 20007,
        "patients": 20008,
        "reviews": 20009,
        "notifications": 20010,
        "scheduling": 20011,
    },
)


def test_addresses_are_fixed_and_names_are_the_users() -> None:
    mine = {
        "MILLRACE_REDIS_URL": "redis://elsewhere",
        "MILLRACE_CHANGES_STREAM": "mine",
        "MILLRACE_HOME": "/x",
        "PATH": "/bin",
    }
    variables = platform_variables(PORTS, {"patients": "postgresql://here"}, mine)
    assert variables["MILLRACE_REDIS_URL"] == "redis://127.0.0.1:20002/0"
    assert variables["MILLRACE_PATIENTS_DATABASE_URL"] == "postgresql://here"
    assert variables["MILLRACE_CHANGES_STREAM"] == "mine"
    assert variables["MILLRACE_SEARCH_URL"] == "http://127.0.0.1:20007"
    assert not {"MILLRACE_HOME", "PATH"} & set(variables)


def test_each_pair_of_caller_and_service_has_its_own_key_in_each_run() -> None:
    variables = caller_key_variables()
    assert {f"MILLRACE_OPERATOR_{service.upper()}_KEYS" for service in SERVICES} < variables.keys()
    assert {"MILLRACE_SCHEDULING_PATIENTS_KEYS", "MILLRACE_NOTIFICATIONS_PATIENTS_KEYS"} < variables.keys()
    keys = [*variables.values(), *caller_key_variables().values()]
    assert len(set(keys)) == len(keys)
    assert all(len(key) >= KEY_LENGTH for key in keys)


def test_admins_token_of_the_user_is_not_stored() -> None:
    assert "MILLRACE_ADMIN_TOKEN" not in platform_variables(PORTS, {}, {"MILLRACE_ADMIN_TOKEN": "a.b.c"})


def test_clocks_are_shifted_by_the_option_only() -> None:
    mine = {"MILLRACE_CLOCK_AHEAD": "86400", "MILLRACE_SUPERVISOR_PID": "1"}
    assert not mine.keys() & platform_variables(PORTS, {}, mine).keys()
    assert clock_variables(timedelta(0), 7) == {}
    variables = clock_variables(timedelta(days=3), os.getpid())
    settings = PlatformSettings.model_validate(
        {"aws_endpoint_url": "http://127.0.0.1:20003", **{name.lower()[9:]: each for name, each in variables.items()}}
    )
    assert settings.clock_ahead == 3 * 86_400


def test_loopback_bypasses_proxies() -> None:
    assert platform_variables(PORTS, {}, {"NO_PROXY": "corp"})["NO_PROXY"] == "corp,127.0.0.1,localhost"


def test_tokens_name_the_edge_and_keys_come_from_patients() -> None:
    variables = identity_variables(PORTS, 8080, Path("/home/key"))
    assert variables["MILLRACE_AUTH_ISSUER"] == "http://127.0.0.1:8080/v1/auth"
    assert variables["MILLRACE_AUTH_JWKS_URL"] == "http://127.0.0.1:20008/v1/auth/.well-known/jwks.json"
    assert variables["MILLRACE_PATIENTS_MASTER_KEY_FILE"] == "/home/key"


def test_audit_trails_have_a_key_and_anchors() -> None:
    assert audit_variables(Path("/home/audit"), Path("/home/anchors")) == {
        "MILLRACE_AUDIT_KEY_FILE": "/home/audit",
        "MILLRACE_AUDIT_ANCHORS_DIRECTORY": "/home/anchors",
    }


def test_emails_are_visible_and_link_to_the_edge() -> None:
    variables = notifications_variables(8080, Path("/home/key"))
    assert variables["MILLRACE_PUBLIC_URL"] == "http://127.0.0.1:8080"
    assert variables["MILLRACE_NOTIFICATIONS_SHOW_MAILS"] == "true"
    assert variables["MILLRACE_NOTIFICATIONS_WEBHOOK_KEY_FILE"] == "/home/key"


def test_each_service_has_its_own_listener() -> None:
    variables = service_variables("search", PORTS, {"MILLRACE_WORKER": "of the user's environment"})
    assert variables["MILLRACE_LISTEN_PORT"] == "20007"
    assert variables["MILLRACE_WORKER"] == "local-search", "each service has a name of its own, the same in each run"


def test_no_variable_points_to_a_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    variables = platform_variables(PORTS, {}, {})
    aws = {name: value for name, value in launch_environment(variables).items() if name.startswith("AWS_")}
    assert aws == {name: value for name, value in variables.items() if name.startswith("AWS_")}
    assert aws["AWS_ENDPOINT_URL"] == "http://127.0.0.1:20003"


def test_ports_are_free_and_distinct() -> None:
    ports = Ports.choose()
    assert len({ports.postgres, ports.valkey, ports.aws, *ports.services.values()}) == 3 + len(SERVICES)
