"""Bookings over HTTP by 32 concurrent clients, with calendars as full as in practice."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import uuid4, uuid5

import msgspec
from joserfc import jws
from joserfc.jwk import RSAKey

from millrace_local.ports import free_ports
from millrace_local.process import ProcessSpec, http_probe
from millrace_local.servers import ministack
from millrace_local.testing import running
from tests.bench.availability import ASKED, DAYS, NAMESPACE, PLACES, wait_until_published
from tests.bench.booking_load import Load, Opening, Report, spread

CLIENTS: Final = 32
WARM_UP: Final = 4.0
SECONDS: Final = 10.0
ISSUER: Final = "http://bench.millrace.example"
APART: Final = timedelta(minutes=90)
"""Distance of two openings of one provider-location, so that their visits don't overlap."""


def bookings(database_url: str, home: Path) -> Report:
    """Measure 32 clients with one process of the service, on a database filled by `availability.fill`."""
    key = RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})
    with keys_served(key) as jwks_url, _served(database_url, home, jwks_url) as port:
        wanted = Load(
            port=port,
            tokens=[token(key) for _ in range(CLIENTS)],
            openings=spread(openings(port, [str(uuid5(NAMESPACE, str(number))) for number in range(PLACES)])),
            warm_up=WARM_UP,
            seconds=SECONDS,
        )
        return loaded(wanted)


def loaded(wanted: Load) -> Report:
    """Run a load in its own process and return its report."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.booking_load"],
        input=msgspec.json.encode(wanted),
        stdout=subprocess.PIPE,
        check=True,
        timeout=wanted.warm_up + wanted.seconds + 60,
    )
    return msgspec.json.decode(done.stdout, type=Report)


def openings(port: int, places: Sequence[str]) -> list[Opening]:
    """Return the openings of these provider-locations."""
    first = datetime.now(UTC).date() + timedelta(2)
    days = f"from={first}&to={first + timedelta(DAYS)}"
    found: list[Opening] = []
    for at in range(0, len(places), ASKED):
        asked = "&".join(f"provider_location={place}" for place in places[at : at + ASKED])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/availability?{days}&{asked}", timeout=10) as answer:
            for place in json.load(answer)["provider_locations"]:
                found += _apart(place["provider_location_id"], place["openings"])
    return found


def _apart(place: str, offered: list[dict[str, Any]]) -> Iterator[Opening]:
    free_from = datetime.min.replace(tzinfo=UTC)
    for each in offered:
        start = datetime.fromisoformat(each["start"])
        if start >= free_from:
            free_from = start + APART
            yield Opening(place, each["start"], each["modes"][0], each["patients"][0])


def token(key: RSAKey, subject: str | None = None, role: str = "patient") -> str:
    """Return an access token of a new patient, or of `subject`, as `patients` issues them."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": subject or str(uuid4()),
        "client_id": "millrace",
        "token_use": "access",
        "exp": now + 3600,
        "iat": now,
        "auth_time": now,
        "cognito:groups": [role],
    }
    return jws.serialize_compact({"alg": "RS256", "kid": "bench"}, json.dumps(claims).encode(), key, ["RS256"])


@contextmanager
def keys_served(key: RSAKey) -> Iterator[str]:
    """Serve a key set with this key; yield its URL."""
    body = json.dumps({"keys": [key.as_dict(private=False)]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _served(database_url: str, home: Path, jwks_url: str) -> Iterator[int]:
    """Run the service with all its tasks but without feeds: its events stay in its outbox."""
    port, nothing = free_ports(2, Random())
    spec = spec_of(port, nothing, database_url, jwks_url)
    with running(spec, home / "scheduling.log"):
        wait_until_published(port)
        yield port


def spec_of(port: int, nothing: int, database_url: str, jwks_url: str) -> ProcessSpec:
    """Return the service on a port. Nothing listens on the port of the feeds."""
    return ProcessSpec(
        name="scheduling",
        command=(sys.executable, "-m", "millrace_scheduling"),
        ready=http_probe(f"http://127.0.0.1:{port}/readyz"),
        environment={
            **ministack.CREDENTIALS,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{nothing}",
            "MILLRACE_SCHEDULING_DATABASE_URL": database_url,
            "MILLRACE_AUTH_ISSUER": ISSUER,
            "MILLRACE_AUTH_JWKS_URL": jwks_url,
            "MILLRACE_LISTEN_PORT": str(port),
            "MILLRACE_LOG_LEVEL": "error",
        },
    )
