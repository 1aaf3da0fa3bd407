"""Malformed requests for a running platform: their caller, the identifiers that exist, and what each service gets."""

import asyncio
import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

from millrace_local.routes import SERVICES
from tests.support.accounts import PROFILE, Accounts
from tests.support.fuzzing.cases import Case, Headers, Target, all_cases, sampled_cases, targets
from tests.support.fuzzing.client import Failure, find_failures
from tests.support.platform import Platform

SEED = 1
HEAD_PARTS = 3
"""How many of the first parts of a request (`all_cases`) belong to its head: token, headers, framing."""
FEW = 40
"""Malformed requests for each of these parts in a sample."""
_ENDS_THE_CALLER = frozenset({("post", "/v1/auth/sign-out-everywhere"), ("delete", "/v1/patients/{patient_id}")})


@dataclass(frozen=True, slots=True)
class Scene:
    """A caller with every role and a profile, and existing identifiers by parameter or field."""

    platform: Platform
    headers: Mapping[str, str]
    known: Mapping[str, str]

    @classmethod
    def create(cls, platform: Platform) -> "Scene":
        directory = f"{platform.url}/v1/directory/provider-locations"
        listed = httpx.get(directory, params={"limit": 200}, timeout=30).raise_for_status().json()["items"]
        place = next(each for each in listed if each["practice_id"])
        account = Accounts(platform).staff("fuzzed", "admin", "staff", "patient", practices=[place["practice_id"]])
        known = {name: place[name] for name in ("npi", "location_id", "practice_id")}
        known |= {"provider_location": place["id"], "provider_location_id": place["id"], "patient_id": account.id}
        scene = cls(platform, account.headers, known)
        httpx.put(scene._profile_url, json=PROFILE, headers=account.headers, timeout=30).raise_for_status()
        return scene

    def own_profile(self) -> httpx.Response:
        """Return the response with the caller's own profile, which shows that the session still works."""
        return httpx.get(self._profile_url, headers=self.headers, timeout=30)

    @property
    def _profile_url(self) -> str:
        return f"{self._url('patients')}/v1/patients/{self.known['patient_id']}"

    def targets(self, service: str) -> list[Target]:
        """Return the operations of a service, except those that would end the caller's session."""
        document = httpx.get(f"{self._url(service)}/openapi.json", timeout=30).raise_for_status().json()
        return [each for each in targets(document, self.known) if (each.method, each.path) not in _ENDS_THE_CALLER]

    def fuzz(self, service: str, cases: Iterator[Case]) -> list[Failure]:
        """Send malformed requests to a service; return those that failed."""
        return self._send(self._url(service), cases)

    def fuzz_edge(self) -> list[Failure]:
        """Send the requests whose head is malformed to the edge, for one operation."""
        first, *_ = self.targets(SERVICES[0])
        return self._send(self.platform.url, (case for part in _head_parts(first) for case in part))

    def _send(self, url: str, cases: Iterator[Case]) -> list[Failure]:
        headers: Headers = tuple((name.encode(), value.encode()) for name, value in self.headers.items())
        return asyncio.run(find_failures(url, cases, headers))

    def _url(self, service: str) -> str:
        return self.platform.variables[f"MILLRACE_{service.upper()}_URL"]


def few_cases(operations: list[Target]) -> Iterator[Case]:
    """Yield malformed heads for the first operation, with all tokens, and one of each kind for every operation."""
    first, *_ = operations
    source = random.Random(SEED)
    for part in _head_parts(first):
        yield from source.sample(part, min(FEW, len(part)))
    for operation in operations:
        yield from sampled_cases(operation, source, 1)


def every_case(operations: list[Target]) -> Iterator[Case]:
    """Yield all malformed requests for all operations."""
    return (case for operation in operations for part in all_cases(operation) for case in part)


def _head_parts(operation: Target) -> Iterator[list[Case]]:
    return itertools.islice(all_cases(operation), HEAD_PARTS)
