"""The variables that every process of a local platform gets."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from millrace_local.ports import LOOPBACK, free_ports
from millrace_local.routes import SERVICES
from millrace_local.servers import ministack, valkey
from millrace_platform.service_tokens import ADMIN_TOKEN, OPERATOR

# Prefixes of the user's settings that commands in other terminals need too.
_PASSED_ON = ("MILLRACE_", "OTEL_")
# Settings of the platform as a whole, not for its processes.
_OURS = ("MILLRACE_HOME", "MILLRACE_PORT", "MILLRACE_CLOCK_AHEAD", "MILLRACE_SUPERVISOR_PID", ADMIN_TOKEN)

CALLS = (("scheduling", "patients"), ("notifications", "patients"))
"""Services that call `/internal` of others: caller and audience."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of one run; restarted processes use the same ones."""

    postgres: int
    valkey: int
    aws: int
    services: Mapping[str, int]

    @classmethod
    def choose(cls) -> "Ports":
        """Choose free ports."""
        postgres, valkey_, aws, *services = free_ports(3 + len(SERVICES))
        return cls(postgres, valkey_, aws, dict(zip(SERVICES, services, strict=True)))

    def service_url(self, service: str) -> str:
        """Return the base URL of a service's own listener."""
        return f"http://{LOOPBACK}:{self.services[service]}"


def platform_variables(
    ports: Ports, database_urls: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of `platform.env`, which are also the environment of each process.

    `database_urls` are by service. `environment` is the user's; its MILLRACE_ and OTEL_ variables override our
    defaults, except addresses. The user's AWS configuration files are hidden from botocore.
    """
    chosen = {name: value for name, value in environment.items() if name.startswith(_PASSED_ON) and name not in _OURS}
    no_proxy = ",".join(filter(None, (environment.get("NO_PROXY"), LOOPBACK, "localhost")))
    return {
        "MILLRACE_LOG_FORMAT": "text",
        # The first area of the demo is small; what comes later is written one by one.
        "MILLRACE_PROJECTOR_FIRST_LOAD_IDLE": "0.5",
        **chosen,
        **ministack.CREDENTIALS,
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{ports.aws}",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        **{f"MILLRACE_{service.upper()}_DATABASE_URL": url for service, url in database_urls.items()},
        "MILLRACE_REDIS_URL": valkey.url(ports.valkey),
        **{f"MILLRACE_{service.upper()}_URL": ports.service_url(service) for service in SERVICES},
    }


def identity_variables(ports: Ports, port: int, master_key: Path) -> dict[str, str]:
    """Return the token issuer at the edge's `port`, the master key's file, and that `accounts code` prints codes."""
    issuer = f"http://{LOOPBACK}:{port}/v1/auth"
    return {
        "MILLRACE_AUTH_ISSUER": issuer,
        "MILLRACE_AUTH_JWKS_URL": f"{ports.service_url('patients')}/v1/auth/.well-known/jwks.json",
        "MILLRACE_PATIENTS_MASTER_KEY_FILE": str(master_key),
        "MILLRACE_PATIENTS_DEMO_FACTORS": "true",
    }


def audit_variables(key: Path, anchors: Path) -> dict[str, str]:
    """Return the file of the audit trails' key, and the directory of their anchors."""
    return {"MILLRACE_AUDIT_KEY_FILE": str(key), "MILLRACE_AUDIT_ANCHORS_DIRECTORY": str(anchors)}


def clock_variables(ahead: timedelta, supervisor_pid: int) -> dict[str, str]:
    """Return the shift of all services' clocks and the id of `millrace up`, which they require; nothing without one."""
    if not ahead:
        return {}
    return {
        "MILLRACE_CLOCK_AHEAD": f"{ahead.total_seconds():.0f}",
        "MILLRACE_SUPERVISOR_PID": str(supervisor_pid),
    }


def notifications_variables(port: int, webhook_key: Path) -> dict[str, str]:
    """Return settings for a development machine: links to the edge's `port`, visible emails, webhooks to loopback."""
    return {
        "MILLRACE_PUBLIC_URL": f"http://{LOOPBACK}:{port}",
        "MILLRACE_NOTIFICATIONS_SHOW_MAILS": "true",
        "MILLRACE_NOTIFICATIONS_WEBHOOK_LOOPBACK": "true",
        "MILLRACE_NOTIFICATIONS_WEBHOOK_KEY_FILE": str(webhook_key),
    }


def caller_key_variables(random: Callable[[], str] = secrets.token_hex) -> dict[str, str]:
    """Return new keys of requests between services, and of `millrace` commands to services, for this run."""
    callers = (*CALLS, *((OPERATOR, service) for service in SERVICES))
    return {f"MILLRACE_{caller.upper()}_{audience.upper()}_KEYS": random() for caller, audience in callers}


def service_variables(service: str, ports: Ports, shared: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of one service: the shared one, its own listener, and its consumer name.

    The name can stay the same over restarts: the supervisor restarts a service only when the previous process has
    exited, and a lock on the platform's state directory excludes a second platform.
    """
    return {
        **shared,
        "MILLRACE_LISTEN_HOST": LOOPBACK,
        "MILLRACE_LISTEN_PORT": str(ports.services[service]),
        "MILLRACE_WORKER": f"local-{service}",
    }
