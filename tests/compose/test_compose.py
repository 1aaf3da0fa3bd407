"""The platform in containers: end-to-end tests, kills and replacements under load, in order on one stack."""

import contextlib
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.compose.load import Load, under_load
from tests.compose.stack import HELPERS, SERVICES, STORES, Stack
from tests.support.people import Person
from tests.support.platform import REPOSITORY, Platform, run, wait_for
from tests.support.stores import aws_client
from tests.support.tutorial import open_shell, read_steps, run_step

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

TUTORIAL = REPOSITORY / "docs" / "tutorial" / "first-booking.md"
TUTORIAL_SEARCH = "specialty=family-medicine&near=10001&radius_mi=25&plan=90100NY0010001&available_within=7d"
END_TO_END = ("test_booking.py", "test_reviews.py", "tenancy")
"""End-to-end tests to repeat in containers; those of OpenAPI documents and telemetry would have the same results."""
CONSUMERS = ("refinery", "projector", "scheduling", "reviews", "notifications")
HANDOVER_SECONDS = 5.0
VERIFY_SECONDS = "180"


def test_all_containers_are_healthy_with_demo_data(stack: Stack, http: httpx.Client) -> None:
    assert stack.platform.is_healthy()
    found = http.get("/v1/search", params={"specialty": "family-medicine", "near": "10001", "radius_mi": 50}).json()
    assert found["total"] > 0
    assert any("openings" in each for each in found["results"])
    verify(stack.platform)


def test_load_balancer_limits_streams_and_uploads_by_client(http: httpx.Client) -> None:
    path = "/v1/availability/stream?provider_location=01a1fcf4-a204-76da-a7e4-de0d92e6c786"
    assert http.head(path).status_code == 200
    with contextlib.ExitStack() as streams:
        statuses = [streams.enter_context(http.stream("GET", path)).status_code for _ in range(21)]
        assert statuses == [200] * 20 + [429]
        assert http.get("/healthz").status_code == 200
    with contextlib.ExitStack() as uploads:
        head = b"POST /v1/holds HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
        for _ in range(100):
            uploads.enter_context(connect(http)).sendall(head)

        def is_refused() -> bool:
            # A request of ours may have taken the place of the last upload.
            uploads.enter_context(connect(http)).sendall(head)
            return http.post("/v1/holds", json={}).status_code == 429

        wait_for(is_refused, seconds=10, what="a refused upload")
        assert http.get("/v1/specialties").status_code == 200


def test_load_balancer_closes_half_sent_heads(http: httpx.Client) -> None:
    with connect(http) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x")
        assert connection.recv(1) == b""


def connect(http: httpx.Client) -> socket.socket:
    return socket.create_connection((http.base_url.host, http.base_url.port or 80), timeout=60)


def test_end_to_end(stack: Stack) -> None:
    """Run the tests of `make up` against this stack."""
    variables = {
        **stack.environment,
        "MILLRACE_TEST_URL": stack.platform.url,
        "MILLRACE_TEST_HOME": str(stack.home),
        "MILLRACE_TEST_COMMAND": shlex.join(stack.platform.command),
    }
    files = [str(REPOSITORY / "tests" / "e2e" / name) for name in END_TO_END]
    command = (sys.executable, "-m", "pytest", "-q", *files)
    done = run(command, seconds=900, environment=variables, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout[-8000:]


def test_tutorial_commands_work(stack: Stack, http: httpx.Client, tmp_path: Path) -> None:
    wrapper = tmp_path / ".venv" / "bin" / "millrace"
    wrapper.parent.mkdir(parents=True)
    # `docker compose exec` reads its standard input, which is the shell's: it would take the commands that follow.
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(stack.platform.command)} "$@" </dev/null\n')
    wrapper.chmod(0o755)
    page = TUTORIAL.read_text().replace(TUTORIAL_SEARCH, search_with_openings(http))
    outputs: dict[str, str] = {}
    with open_shell(tmp_path, stack.environment) as shell:
        for step in read_steps(page):
            if step.is_platform and "--clock" in step.command:
                # Containers have no `--clock`: the visit is moved to the past instead.
                _, is_moved = shell.run(begin_visit_command(stack.platform))
                assert is_moved, shell.errors()
            elif not step.is_platform:
                outputs[step.command] = run_step(shell, step, stack.platform.url).strip()
    shown = [*outputs.values()]
    for expected in ("booked", "the same", "arrived", "completed"):
        assert expected in shown
    assert "'count': 1" in shown[-1]


def begin_visit_command(platform: Platform) -> str:
    """Return a command that moves the tutorial's visit, whose id is in `$HOLD_ID`, to the past."""
    arguments = (sys.executable, "-m", "tests.support.visits", str(platform.home), platform.url)
    return f'(cd {shlex.quote(str(REPOSITORY))} && {shlex.join(arguments)} "$HOLD_ID")'


def search_with_openings(http: httpx.Client) -> str:
    """Return the query of the tutorial's search, or of another one that finds a provider with openings."""
    known = http.get("/v1/directory/provider-locations", params={"limit": 200}).raise_for_status().json()["items"]
    near = (
        (each["taxonomy"], each["address"]["zip"][:5], each["accepted_plans"][0])
        for each in known
        if each["accepted_plans"]
    )
    others = (
        f"specialty={taxonomy}&near={zip_}&radius_mi=10&plan={plan}&available_within=7d"
        for taxonomy, zip_, plan in near
    )
    day = str(datetime.now(UTC).date() + timedelta(3))
    for query in (TUTORIAL_SEARCH, *others):
        for card in http.get(f"/v1/search?{query}").json()["results"][:1]:
            wanted = {"provider_location": card["id"], "from": day, "patient": "new", "mode": "in_person"}
            if len(http.get("/v1/availability", params=wanted).json()["provider_locations"][0]["openings"]) > 8:
                return query
    raise AssertionError("no provider has openings")


@pytest.mark.parametrize("container", [*STORES, *SERVICES, *HELPERS])
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
    assert load.lost_appointments() == []


def test_kills_lose_no_data(stack: Stack) -> None:
    verify(stack.platform)
    parked = stack.platform.millrace("feeds", "dlq", "list")
    assert "No dead letters" in parked.stdout + parked.stderr, parked.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_service_is_replaced_under_load_without_failed_requests(
    stack: Stack, people: Sequence[Person], times: Iterator[tuple[str, str]], service: str
) -> None:
    former = {*lease_owners(stack.platform, service)} - {None} if service in CONSUMERS else set()
    with under_load(stack.platform.url, people, times) as load:
        wait_for(lambda: len(load.booked) > 2, seconds=60, what="some bookings")
        with replacement(stack, service) as stopping:
            stopping.wait(timeout=180)
            stopped = time.monotonic()
            if service in CONSUMERS:
                wait_for(
                    lambda: not {None, *former} & {*lease_owners(stack.platform, service)},
                    seconds=HANDOVER_SECONDS,
                    what=f"the handover of the leases of {service}",
                )
                print(f"{service}: leases handed over within {time.monotonic() - stopped:.1f} s of the stop")
        before = len(load.booked)
        wait_for(lambda: len(load.booked) > before + 2, seconds=60, what="bookings after the replacement")
    assert load.failures == [], summary_of_failures(load)
    assert load.lost_appointments() == []


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


def summary_of_failures(load: Load) -> str:
    return f"{len(load.failures)} of {sum(load.statuses.values())} requests: {load.failures[:5]}"


@contextlib.contextmanager
def replacement(stack: Stack, service: str) -> Iterator[threading.Event]:
    """Run `compose/roll.sh` for one service during the block; yield an event, set when the old container is stopped."""
    process = subprocess.Popen(
        (str(REPOSITORY / "compose" / "roll.sh"), service),
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stopping, output = threading.Event(), list[str]()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line)
            if line.endswith(": stopping\n"):
                stopping.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield stopping
    finally:
        code = process.wait(timeout=240)
        reader.join(timeout=10)
    assert code == 0, "".join(output)


def lease_owners(platform: Platform, service: str) -> list[str | None]:
    """Return the owner of each shard that a service consumes, None for a shard without one."""
    table = platform.variables[f"MILLRACE_{service.upper()}_LEASES_TABLE"]
    items = aws_client("dynamodb", platform.variables).scan(TableName=table, ConsistentRead=True)["Items"]
    return [item.get("leaseOwner", {}).get("S") for item in items]
