"""The REST API against a model of a booked day, for sequences that nobody thought of."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from millrace_scheduling.hold.model import LIFETIME, PER_PATIENT

from .booking import Client, key, patient_of, shop, staff_of, times
from .running import START, Service, running, settings_for

T = TypeVar("T")
OPENS = datetime(2026, 11, 19, 14, tzinfo=UTC)
SLOTS = 6
VISIT = timedelta(minutes=30)
STANDING = {"booked", "confirmed"}

patients = st.integers(0, 2)
slots = st.integers(0, SLOTS - 1)
picks = st.integers(0, 30)


class Loop:
    """An event loop in a thread of its own: hypothesis calls rules as plain functions."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(function)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.start(work).result(30)

    def close(self) -> None:
        self.call(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Held:
    id: str
    patient: int
    slot: int
    until: float
    extended: bool = False


@dataclass
class Booked:
    id: str
    patient: int
    slot: int
    state: str = "booked"
    version: int = 1


@dataclass
class Model:
    """What must be so. Times are Unix seconds."""

    now: float
    holds: list[Held] = field(default_factory=list)
    ended: list[Held] = field(default_factory=list)
    appointments: list[Booked] = field(default_factory=list)

    def lapse(self) -> None:
        self.ended += [hold for hold in self.holds if hold.until <= self.now]
        self.holds = [hold for hold in self.holds if hold.until > self.now]

    def taken(self) -> set[int]:
        occupying = {each.slot for each in self.appointments if each.state != "cancelled"}
        return occupying | {hold.slot for hold in self.holds}

    def begun(self, slot: int) -> bool:
        return self.now > (OPENS + slot * VISIT).timestamp()

    def may_be_taken(self, slot: int) -> bool:
        return slot not in self.taken() and not self.begun(slot)


def start_of(slot: int) -> str:
    return (OPENS + slot * VISIT).isoformat()


def machine(service: Service, loop: Loop) -> type[RuleBasedStateMachine]:
    """Rules on a running service; each example has a place of its own."""

    class Day(RuleBasedStateMachine):
        @initialize()
        def open(self) -> None:
            service.clock.now = START
            self.model = Model(START)
            hours = [{"weekday": "thursday", "opens": "09:00", "closes": "12:00"}]
            self.place = loop.run(shop(service, weekly_hours=hours))
            self.patients = [patient_of(service) for _ in range(3)]
            self.last: tuple[Client, str, Any, str, httpx.Response] | None = None

        def send(self, client: Client, path: str, body: Any = None) -> httpx.Response:
            name = str(uuid4())
            answer = loop.run(client.post(path, body, **key(name)))
            if answer.is_success:
                self.last = client, path, body, name, answer
            return answer

        @rule(patient=patients, slot=slots)
        def hold(self, patient: int, slot: int) -> None:
            body = {"provider_location_id": self.place, "start": start_of(slot)}
            answer = self.send(self.patients[patient], "/v1/holds", body)
            own = [each for each in self.model.holds if each.patient == patient]
            if not self.model.begun(slot) and len(own) >= PER_PATIENT:
                assert answer.status_code == 429
            elif self.model.may_be_taken(slot):
                assert answer.status_code == 201, answer.text
                until = self.model.now + LIFETIME.total_seconds()
                self.model.holds.append(Held(answer.json()["id"], patient, slot, until))
            else:
                assert answer.status_code == 409

        @rule(pick=picks)
        def extend(self, pick: int) -> None:
            if not self.model.holds:
                return
            held = self.model.holds[pick % len(self.model.holds)]
            answer = self.send(self.patients[held.patient], f"/v1/holds/{held.id}/extend")
            assert answer.status_code == (409 if held.extended else 200)
            if not held.extended:
                held.extended, held.until = True, max(held.until, self.model.now + LIFETIME.total_seconds())

        @rule(pick=picks)
        def give_up(self, pick: int) -> None:
            if self.model.holds:
                held = self.model.holds.pop(pick % len(self.model.holds))
                assert loop.run(self.patients[held.patient].delete(f"/v1/holds/{held.id}")).status_code == 204
                self.model.ended.append(held)

        @rule(pick=picks)
        def book(self, pick: int) -> None:
            if self.model.holds:
                held = self.model.holds.pop(pick % len(self.model.holds))
                answer = self.send(self.patients[held.patient], "/v1/appointments", {"hold_id": held.id})
                assert answer.status_code == 201, answer.text
                self.model.appointments.append(Booked(held.id, held.patient, held.slot))

        @rule(pick=picks)
        def book_what_ended(self, pick: int) -> None:
            if self.model.ended:
                held = self.model.ended[pick % len(self.model.ended)]
                answer = self.send(self.patients[held.patient], "/v1/appointments", {"hold_id": held.id})
                assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "hold-lapsed")

        @rule(pick=picks, slot=slots)
        def move(self, pick: int, slot: int) -> None:
            if not self.model.appointments:
                return
            booked = self.model.appointments[pick % len(self.model.appointments)]
            path = f"/v1/appointments/{booked.id}/reschedule"
            answer = self.send(self.patients[booked.patient], path, {"start": start_of(slot)})
            late = self.model.begun(booked.slot)
            # To its own time is a move too: the time is free of others.
            free = slot == booked.slot or self.model.may_be_taken(slot)
            if booked.state in STANDING and not late and free:
                assert answer.status_code == 200, answer.text
                booked.slot, booked.state, booked.version = slot, "booked", booked.version + 1
            else:
                assert answer.status_code == 409

        @rule(pick=picks, action=st.sampled_from(["confirm", "cancel", "arrived", "completed", "no_show"]))
        def act(self, pick: int, action: str) -> None:
            if not self.model.appointments:
                return
            booked = self.model.appointments[pick % len(self.model.appointments)]
            staff = action in {"arrived", "completed", "no_show"}
            client = staff_of(service) if staff else self.patients[booked.patient]
            body = {"reason": "other"} if action == "cancel" else None
            answer = self.send(client, f"/v1/appointments/{booked.id}/{action}", body)
            after = self.after(booked, action)
            assert answer.status_code == (409 if after is None else 200), answer.text
            if after is not None:
                booked.state, booked.version = after, booked.version + 1

        def after(self, booked: Booked, action: str) -> str | None:
            """The state that the action leads to; None where it isn't possible."""
            begins = (OPENS + booked.slot * VISIT).timestamp()
            possible = {
                "confirm": booked.state == "booked",
                "cancel": booked.state in STANDING and self.model.now <= begins,
                "arrived": booked.state in STANDING,
                "completed": booked.state == "arrived",
                "no_show": booked.state in STANDING and self.model.now >= begins,
            }
            return {"confirm": "confirmed", "cancel": "cancelled"}.get(action, action) if possible[action] else None

        @rule(seconds=st.sampled_from([30, 120, 290, 310, 96_000]))
        def wait(self, seconds: int) -> None:
            # At most to the middle of the day that is booked.
            self.model.now = min(self.model.now + seconds, (OPENS + 3 * VISIT).timestamp() + 1)
            service.clock.now = self.model.now
            self.model.lapse()

        @rule()
        def repeat(self) -> None:
            if self.last is not None:
                client, path, body, name, before = self.last
                again = loop.run(client.post(path, body, **key(name)))
                assert (again.status_code, again.content) == (before.status_code, before.content)

        @invariant()
        def is_as_it_must_be(self) -> None:
            offered = loop.run(times(service, self.place))
            expected = [slot for slot in range(SLOTS) if self.model.may_be_taken(slot)]
            assert [datetime.fromisoformat(each) for each in offered] == [OPENS + slot * VISIT for slot in expected]
            for booked in self.model.appointments[-2:]:
                shown = loop.run(self.patients[booked.patient].get(f"/v1/appointments/{booked.id}")).json()
                assert (shown["state"], shown["version"]) == (booked.state, booked.version)

    return Day


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def served(postgres_dsn: str, loop: Loop) -> Iterator[Service]:
    opened: Future[Service] = Future()
    closing = asyncio.Event()

    async def live() -> None:
        # One task enters and leaves it, as task groups demand.
        async with running(settings_for(postgres_dsn)) as service:
            opened.set_result(service)
            await closing.wait()

    living = loop.start(live())
    yield opened.result(60)
    loop.call(closing.set)
    living.result(60)


@pytest.mark.parametrize(
    "examples",
    [pytest.param(4, id="short"), pytest.param(200, id="long", marks=[pytest.mark.chaos, pytest.mark.timeout(1800)])],
)
def test_the_service_does_what_the_model_does(served: Service, loop: Loop, examples: int) -> None:
    run_state_machine_as_test(
        machine(served, loop),
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            # Each step is two requests or three: shrinking would take longer than reading what failed.
            phases=(Phase.explicit, Phase.generate),
        ),
    )
