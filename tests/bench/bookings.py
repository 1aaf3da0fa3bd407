"""Bookings over HTTP by 32 concurrent clients, with calendars as full as in practice."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from uuid import uuid4

from joserfc import jws
from joserfc.jwk import RSAKey

from tests.bench.availability import DAYS, PER_REQUEST, PROVIDER_LOCATIONS, provider_location_id, scheduling_service
from tests.bench.booking_load import Load, Opening, Report, measure, spread

CLIENTS: Final = 32
WARM_UP: Final = 4.0
SECONDS: Final = 10.0
ISSUER: Final = "http://bench.millrace.example"
APART: Final = timedelta(minutes=90)
"""Distance of two openings of one provider-location, so that their visits don't overlap."""


def bookings(database_url: str) -> Report:
    """Measure 32 clients with one process of the service, on a database filled by `availability.fill`."""
    key = RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})
    with keys_served(key) as jwks_url, scheduling_service(database_url, issuer_settings(jwks_url)) as port:
        ids = [str(provider_location_id(number)) for number in range(PROVIDER_LOCATIONS)]
        tokens = [token(key) for _ in range(CLIENTS)]
        offered = spread(openings(port, ids))
        return measure(Load(port=port, tokens=tokens, openings=offered, warm_up=WARM_UP, seconds=SECONDS))


def openings(port: int, provider_locations: Sequence[str]) -> list[Opening]:
    """Return the openings of these provider-locations, at least `APART` from each other."""
    first = datetime.now(UTC).date() + timedelta(2)
    days = f"from={first}&to={first + timedelta(DAYS)}"
    found: list[Opening] = []
    for at in range(0, len(provider_locations), PER_REQUEST):
        ids = "&".join(f"provider_location={each}" for each in provider_locations[at : at + PER_REQUEST])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/availability?{days}&{ids}", timeout=10) as response:
            for each in json.load(response)["provider_locations"]:
                found += _apart(each["provider_location_id"], each["openings"])
    return found


def _apart(provider_location: str, offered: list[dict[str, Any]]) -> Iterator[Opening]:
    free_from = datetime.min.replace(tzinfo=UTC)
    for each in offered:
        start = datetime.fromisoformat(each["start"])
        if start >= free_from:
            free_from = start + APART
            yield Opening(provider_location, each["start"], each["modes"][0], each["patients"][0])


def issuer_settings(jwks_url: str) -> dict[str, str]:
    """Return the environment variables of a service that accepts tokens of `token`."""
    return {"MILLRACE_AUTH_ISSUER": ISSUER, "MILLRACE_AUTH_JWKS_URL": jwks_url}


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
