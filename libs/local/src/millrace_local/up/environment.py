"""The variables that every process of a local platform gets."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from millrace_local.ports import LOOPBACK, free_ports
from millrace_local.routes import SERVICES
from millrace_local.servers import ministack, redis

# Settings of the user's that commands in other terminals need too: names of streams, the collector of telemetry.
_PASSED_ON = ("MILLRACE_", "OTEL_")
# These are about the platform as a whole, not for its processes.
_OURS = ("MILLRACE_HOME", "MILLRACE_PORT")


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of one run; they stay the same when a process is started again."""

    postgres: int
    redis: int
    aws: int
    services: Mapping[str, int]

    @classmethod
    def choose(cls, random_source: random.Random) -> "Ports":
        """Ports that are free now."""
        postgres, redis_, aws, *services = free_ports(3 + len(SERVICES), random_source)
        return cls(postgres, redis_, aws, dict(zip(SERVICES, services, strict=True)))

    def service_url(self, service: str) -> str:
        """The base URL of a service's own listener."""
        return f"http://{LOOPBACK}:{self.services[service]}"


def platform_variables(
    ports: Ports, database_urls: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    """What reaches this platform: `platform.env`, and the environment of each of its processes.

    `database_urls` are by service. `environment` is the user's; its MILLRACE_ and OTEL_ variables win over defaults of
    ours, never over an address. botocore gets no file of the user's to find a profile in.
    """
    chosen = {name: value for name, value in environment.items() if name.startswith(_PASSED_ON) and name not in _OURS}
    no_proxy = ",".join(filter(None, (environment.get("NO_PROXY"), LOOPBACK, "localhost")))
    return {
        "MILLRACE_LOG_FORMAT": "text",
        **chosen,
        **ministack.CREDENTIALS,
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{ports.aws}",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        **{f"MILLRACE_{service.upper()}_DATABASE_URL": url for service, url in database_urls.items()},
        "MILLRACE_REDIS_URL": redis.url(ports.redis),
        **{f"MILLRACE_{service.upper()}_URL": ports.service_url(service) for service in SERVICES},
    }


def identity_variables(ports: Ports, port: int, master_key: Path) -> dict[str, str]:
    """Who issues access tokens here, at the edge's `port`, and the file of the key under which personal data lies."""
    issuer = f"http://{LOOPBACK}:{port}/v1/auth"
    return {
        "MILLRACE_AUTH_ISSUER": issuer,
        "MILLRACE_AUTH_JWKS_URL": f"{ports.service_url('patients')}/v1/auth/.well-known/jwks.json",
        "MILLRACE_PATIENTS_MASTER_KEY_FILE": str(master_key),
    }


def notifications_variables(port: int, webhook_key: Path) -> dict[str, str]:
    """What a machine of one's own allows: links to the edge's `port`, mails that are shown, webhooks to loopback."""
    return {
        "MILLRACE_NOTIFICATIONS_PUBLIC_URL": f"http://{LOOPBACK}:{port}",
        "MILLRACE_NOTIFICATIONS_SHOW_MAILS": "true",
        "MILLRACE_NOTIFICATIONS_WEBHOOK_LOOPBACK": "true",
        "MILLRACE_NOTIFICATIONS_WEBHOOK_KEY_FILE": str(webhook_key),
    }


def service_variables(service: str, ports: Ports, shared: Mapping[str, str]) -> dict[str, str]:
    """The environment of one service: the shared one, its own listener, and its name among the readers of streams.

    The name may stay the same over restarts: the supervisor starts a service anew only when the former process has
    ended, and the lock of the home keeps a second platform from it.
    """
    return {
        **shared,
        "MILLRACE_LISTEN_HOST": LOOPBACK,
        "MILLRACE_LISTEN_PORT": str(ports.services[service]),
        "MILLRACE_WORKER": f"local-{service}",
    }
