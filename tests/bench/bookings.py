"""Bookings over HTTP by 32 concurrent clients, with calendars as full as in practice."""

import asyncio
import base64
import json
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from uuid import UUID, uuid4

from joserfc import jws
from joserfc.jwk import RSAKey

from millrace_feeds.clock import SystemClock
from millrace_platform.database import open_database
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, UnitsOfWork
from millrace_scheduling.patient.model import PatientCopy
from millrace_scheduling.patient.repository import save_newer
from tests.bench.availability import DAYS, PER_REQUEST, PROVIDER_LOCATIONS, provider_location_id, scheduling_service
from tests.bench.booking_load import APART, Load, Opening, Report, measure, plan

CLIENTS: Final = 32
WARM_UP: Final = 4.0
SECONDS: Final = 10.0
ISSUER: Final = "http://bench.millrace.example"
PATIENTS: Final = 640


def bookings(database_url: str) -> Report:
    """Measure 32 clients with one process of the service, on a database filled by `availability.fill`."""
    key = RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})
    with keys_served(key) as jwks_url, scheduling_service(database_url, issuer_settings(jwks_url)) as port:
        ids = [str(provider_location_id(number)) for number in range(PROVIDER_LOCATIONS)]
        patients = [uuid4() for _ in range(PATIENTS)]
        asyncio.run(add_patients(database_url, patients))
        tokens = [token(key, str(patient)) for patient in patients]
        planned = plan(openings(port, ids), PATIENTS)
        return measure(
            Load(port=port, clients=CLIENTS, tokens=tokens, bookings=planned, warm_up=WARM_UP, seconds=SECONDS)
        )


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


async def add_patients(database_url: str, identifiers: Iterable[UUID]) -> None:
    """Let patients without profiles book, as if their events had arrived in scheduling, whose database it is."""
    clock = SystemClock()
    async with (
        open_database(database_url, name="bench", pool_size=1, seconds=30) as database,
        UnitsOfWork(database, Envelopes("/bench", clock, Uuid7(clock))).begin() as work,
    ):
        await save_newer(work.session, [PatientCopy(each, 1, may_book=True) for each in identifiers])


def subject_of(access_token: str) -> UUID:
    """Return the id of the account that a token belongs to."""
    claims = access_token.split(".")[1]
    return UUID(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])


@contextmanager
def everyone_may_book() -> Iterator[str]:
    """Serve the part of `patients` that scheduling asks, by which everyone may book; yield its base URL."""
    permissions = {"may_book": True, "missing": [], "dependant_ids": [], "insurance_card_ids": []}
    with _served(json.dumps(permissions).encode()) as url:
        yield url


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
    with _served(json.dumps({"keys": [key.as_dict(private=False)]}).encode()) as url:
        yield f"{url}/jwks.json"


@contextmanager
def _served(body: bytes) -> Iterator[str]:
    """Respond to every GET with this JSON body; yield the base URL."""

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
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
