"""The platform in containers: end-to-end tests, kills and replacements under load, in order on one stack."""

import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.session import get_session

from tests.compose import tutorial
from tests.compose.load import Load, under_load
from tests.compose.stack import AROUND, SERVICES, STORES, Stack
from tests.support.people import Person
from tests.support.platform import REPOSITORY, Platform, wait_for

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

TUTORIAL = REPOSITORY / "docs" / "tutorial" / "first-booking.md"
ASKED_THERE = "specialty=family-medicine&near=84120&radius_mi=10&plan=90100UT0010001&available_within=7d"
END_TO_END = ("test_booking.py", "test_reviews.py", "tenancy")
"""Tests of OpenAPI documents and telemetry don't depend on how the platform runs."""
CONSUMERS = ("refinery", "projector", "scheduling", "reviews", "notifications")
HANDOVER_SECONDS = 5.0
VERIFY_SECONDS = "180"


def test_all_containers_are_healthy_with_demo_data(stack: Stack, http: httpx.Client) -> None:
    assert stack.healthy()
    found = http.get("/v1/search", params={"specialty": "family-medicine", "near": "10001", "radius_mi": 50}).json()
    assert found["total"] > 0
    assert any("openings" in each for each in found["results"])
    verify(stack.platform)


def test_end_to_end(stack: Stack) -> None:
    """Run the tests of `make up` against this stack."""
    told = {
        **stack.environment,
        "MILLRACE_TEST_URL": stack.platform.url,
        "MILLRACE_TEST_HOME": str(stack.home),
        "MILLRACE_TEST_COMMAND": shlex.join(stack.platform.command),
    }
    files = [str(REPOSITORY / "tests" / "e2e" / name) for name in END_TO_END]
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", *files),
        env=told,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]


def test_tutorial_commands_work(stack: Stack, http: httpx.Client, tmp_path: Path) -> None:
    wrapper = tmp_path / ".venv" / "bin" / "millrace"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(stack.platform.command)} "$@"\n')
    wrapper.chmod(0o755)
    typed = [
        patient(command.replace("http://127.0.0.1:8080", stack.platform.url).replace(ASKED_THERE, somebody(http)))
        for command in tutorial.commands(TUTORIAL)
    ]
    printed = tutorial.run(typed, tmp_path, stack.environment, seconds=300)
    answers = [text.strip() for _, text in printed]
    for expected in ("booked", "the same", "arrived", "completed"):
        assert expected in answers
    reviews, mails = answers[-2:]
    assert "'count': 1" in reviews
    assert [line.split(" | ")[0] for line in mails.splitlines()] == ["verify_email", "booked", "moved"]


def patient(command: str) -> str:
    """Repeat two commands until they succeed, as the tutorial's text advises."""
    awaited = {"/v1/reviews -H": "published", "/v1/providers/$NPI |": "'count': 1"}
    for mark, answer in awaited.items():
        if mark in command:
            asked = f'until {{ {command}\n}} > answered 2>/dev/null && grep -q "{answer}" answered; do :; done'
            return f"{asked}; cat answered"
    return command


def somebody(http: httpx.Client) -> str:
    """Return the tutorial's command, or one for a provider with openings in these demo data."""
    known = http.get("/v1/directory/provider-locations", params={"limit": 200}).raise_for_status().json()["items"]
    near = (
        (each["taxonomy"], each["address"]["zip"][:5], each["accepted_plans"][0])
        for each in known
        if each["accepted_plans"]
    )
    asked = (
        f"specialty={taxonomy}&near={place}&radius_mi=10&plan={plan}&available_within=7d"
        for taxonomy, place, plan in near
    )
    day = str(datetime.now(UTC).date() + timedelta(3))
    for query in (ASKED_THERE, *asked):
        for card in http.get(f"/v1/search?{query}").json()["results"][:1]:
            wanted = {"provider_location": card["id"], "from": day, "patient": "new", "mode": "in_person"}
            if len(http.get("/v1/availability", params=wanted).json()["provider_locations"][0]["openings"]) > 8:
                return query
    raise AssertionError("nobody has times")


@pytest.mark.parametrize("container", [*STORES, *SERVICES, *AROUND])
def test_container_is_killed_and_restarted_under_load(
    stack: Stack, people: Sequence[Person], times: Iterator[tuple[str, str]], container: str
) -> None:
    with under_load(stack.platform.url, people, times) as load:
        wait_for(lambda: len(load.booked) > 2, seconds=60, what="some bookings")
        stack.compose("kill", container)
        stack.compose("start", container)
        stack.publish()
        stack.wait_until_healthy(container)
        before = len(load.booked)
        wait_for(lambda: len(load.booked) > before + 2, seconds=120, what="bookings after the kill")
    assert load.lost() == []


def test_kills_lose_no_data(stack: Stack) -> None:
    verify(stack.platform)
    parked = stack.platform.millrace("feeds", "dlq", "list")
    assert "No dead letters" in parked.stdout + parked.stderr, parked.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_service_is_replaced_under_load_without_failed_requests(
    stack: Stack, people: Sequence[Person], times: Iterator[tuple[str, str]], service: str
) -> None:
    leases = Leases(stack.platform) if service in CONSUMERS else None
    former = leases.owners(service) if leases else set()
    with under_load(stack.platform.url, people, times) as load:
        wait_for(lambda: len(load.booked) > 2, seconds=60, what="some bookings")
        with rolling(stack, service) as stopping:
            stopping.wait(timeout=180)
            asked = time.monotonic()
            if leases is not None:
                wait_for(
                    lambda: leases.are_held(service) and not leases.owners(service) & former,
                    seconds=HANDOVER_SECONDS,
                    what=f"the handover of the leases of {service}",
                )
                print(f"{service}: leases handed over within {time.monotonic() - asked:.1f} s of the stop")
        before = len(load.booked)
        wait_for(lambda: len(load.booked) > before + 2, seconds=60, what="bookings after the replacement")
    assert load.failures == [], failed(load)
    assert load.lost() == []


def test_replacements_lose_no_data(stack: Stack) -> None:
    verify(stack.platform)


def test_stop_and_start_lose_no_data(stack: Stack, http: httpx.Client, people: Sequence[Person]) -> None:
    """Create all containers again: data on volumes stay, and the demo data aren't loaded twice."""
    known = http.get("/v1/search?specialty=family-medicine&near=10001&radius_mi=50").raise_for_status().json()["total"]
    stack.down()
    stack.up()
    found = http.get("/v1/search?specialty=family-medicine&near=10001&radius_mi=50").raise_for_status().json()["total"]
    assert found == known > 0
    assert "calendars" not in stack.compose("logs", "demo"), "the demo data were loaded again"
    assert people[0].ask("GET", f"/v1/patients/{people[0].id}", 200).json()["given_name"] == "Ada"
    verify(stack.platform)


def verify(platform: Platform) -> None:
    verified = platform.millrace("verify", "--wait", VERIFY_SECONDS, check=False)
    assert verified.returncode == 0, f"{verified.stdout}\n{verified.stderr}"


def failed(load: Load) -> str:
    return f"{len(load.failures)} of {sum(load.answers.values())} requests: {load.failures[:5]}"


class rolling:  # noqa: N801 - used as a function
    """Runs `compose/roll.sh` for one service; its event is set when the previous container is stopped."""

    def __init__(self, stack: Stack, service: str) -> None:
        self._process = subprocess.Popen(
            (str(REPOSITORY / "compose" / "roll.sh"), service),
            env=stack.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._stopping = threading.Event()
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            if line.endswith(": stopping\n"):
                self._stopping.set()

    def __enter__(self) -> threading.Event:
        self._reader.start()
        return self._stopping

    def __exit__(self, *_: object) -> None:
        code = self._process.wait(timeout=240)
        self._reader.join(timeout=10)
        assert code == 0, "".join(self._said)


class Leases:
    """The owners of a service's shards according to the lease table."""

    def __init__(self, platform: Platform) -> None:
        self._variables: Mapping[str, str] = platform.variables
        self._dynamodb: Any = get_session().create_client(
            "dynamodb",
            region_name=self._variables["AWS_REGION"],
            endpoint_url=self._variables["AWS_ENDPOINT_URL"],
            aws_access_key_id="local-only",
            aws_secret_access_key="local-only",
        )

    def _held(self, service: str) -> list[str | None]:
        table = self._variables[f"MILLRACE_{service.upper()}_LEASES_TABLE"]
        items = self._dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
        return [item.get("leaseOwner", {}).get("S") for item in items]

    def owners(self, service: str) -> set[str]:
        return {owner for owner in self._held(service) if owner}

    def are_held(self, service: str) -> bool:
        return all(self._held(service))
