"""Continuous searches and bookings through the load balancer, with a record of every failure."""

import contextlib
import itertools
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from tests.support.people import Person

SPECIALTY = "family-medicine"
PAUSE_SECONDS = 0.05
"""Seconds between two requests of one person."""
BOOKINGS_PER_UNCANCELED = 10
"""One of this many bookings is not canceled."""
FREE_DAYS = 3
RETRY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A request with an unexpected response."""

    at: float
    request: str
    what: str


@dataclass
class Load:
    """Searches and bookings by `people` until `ended`, at the provider-locations and starts that `times` yields.

    `booked` are acknowledged appointments that weren't canceled, with their patients; `statuses` counts responses.
    """

    url: str
    people: Sequence[Person]
    times: Iterator[tuple[str, str]]
    failures: list[Failure] = field(default_factory=list)
    booked: list[tuple[Person, str]] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    ended: threading.Event = field(default_factory=threading.Event)

    def search(self) -> None:
        """Request searches, provider pages and directory entries until the end."""
        with httpx.Client(base_url=self.url, timeout=30) as client:
            for path in itertools.cycle(
                (f"/v1/search?specialty={SPECIALTY}&near=10001&radius_mi=50", "/v1/specialties")
            ):
                if self.ended.wait(PAUSE_SECONDS):
                    return
                self._send(client, "GET", path, {200})

    def book(self, person: Person) -> None:
        """Hold and book one time after the other; cancel most of them, so that enough times stay free."""
        with httpx.Client(base_url=self.url, timeout=30, headers=person.headers) as client:
            for number in itertools.count():
                if self.ended.wait(PAUSE_SECONDS):
                    return
                provider_location, start = next(self.times)
                wanted = {
                    "provider_location_id": provider_location,
                    "start": start,
                    "patient": "new",
                    "mode": "in_person",
                }
                # Another patient may have been faster.
                held = self._post(client, "/v1/holds", wanted, {201, 409})
                if held is None or held.status_code != httpx.codes.CREATED:
                    continue
                made = self._post(client, "/v1/appointments", {"hold_id": held.json()["id"]}, {201})
                if made is None:
                    continue
                path = f"/v1/appointments/{made.json()['id']}"
                if number % BOOKINGS_PER_UNCANCELED:
                    self._post(client, f"{path}/cancel", {"reason": "other"}, {200})
                else:
                    self.booked.append((person, path))

    def _post(self, client: httpx.Client, path: str, body: dict[str, str], expected: set[int]) -> httpx.Response | None:
        """POST with a new idempotency key; retry with the same key. Return None if no response was an expected one."""
        key, deadline = secrets.token_hex(16), time.monotonic() + RETRY_SECONDS
        while time.monotonic() < deadline:
            response = self._send(client, "POST", path, expected, json=body, headers={"Idempotency-Key": key})
            if response is not None:
                return response
            if self.ended.wait(PAUSE_SECONDS):
                return None
        return None

    def _send(
        self, client: httpx.Client, method: str, path: str, expected: set[int], **options: object
    ) -> httpx.Response | None:
        """Send a request; return the response, or record a failure and return None if its status isn't expected."""
        try:
            response = client.request(method, path, **options)  # type: ignore[arg-type] # options of httpx's own
        except httpx.TransportError as error:
            self.failures.append(Failure(time.monotonic(), f"{method} {path}", repr(error)))
            return None
        self.statuses[f"{method} {response.status_code}"] += 1
        if response.status_code in expected:
            return response
        self.failures.append(
            Failure(time.monotonic(), f"{method} {path}", f"{response.status_code} {response.text[:200]}")
        )
        return None

    def lost_appointments(self) -> list[str]:
        """Return acknowledged appointments that no longer exist."""
        return [path for person, path in self.booked if person.ask("GET", path, 200).json()["state"] != "booked"]


def free_times(http: httpx.Client) -> Iterator[tuple[str, str]]:
    """Yield bookable times endlessly: one of each provider-location, then the next of each."""
    listed = http.get("/v1/directory/provider-locations", params={"limit": 200}).raise_for_status().json()["items"]
    today = datetime.now(UTC).date()
    query = {
        "from": str(today + timedelta(FREE_DAYS)),
        "to": str(today + timedelta(30)),
        "patient": "new",
        "mode": "in_person",
    }
    times = []
    for each in listed:
        response = http.get("/v1/availability", params={**query, "provider_location": each["id"]})
        openings = response.raise_for_status().json()["provider_locations"][0]["openings"]
        # Every fourth: visits are longer than the grid, and overlapping times can't both be booked.
        times.append([(each["id"], opening["start"]) for opening in openings[::4]])
    return itertools.cycle([found for row in itertools.zip_longest(*times) for found in row if found is not None])


@contextlib.contextmanager
def under_load(url: str, people: Sequence[Person], times: Iterator[tuple[str, str]]) -> Iterator[Load]:
    """Search and let `people` book during the block."""
    load = Load(url, people, times)
    threads = [threading.Thread(target=load.search) for _ in range(2)]
    threads += [threading.Thread(target=load.book, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.ended.set()
        for thread in threads:
            thread.join(timeout=RETRY_SECONDS)
