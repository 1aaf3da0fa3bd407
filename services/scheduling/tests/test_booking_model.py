"""Random sequences of requests to the REST API, checked against a model of one day."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from millrace_scheduling.appointment.model import ARRIVAL_LEAD
from millrace_scheduling.hold.model import HOLD_LIFETIME, HOLDS_PER_PATIENT

from .booking import Client, bookable_location, free_starts, key, new_patient, staff_client
from .running import START, Service

T = TypeVar("T")
OPENS = datetime(2026, 11, 19, 14, tzinfo=UTC)
SLOTS = 6
VISIT = timedelta(minutes=30)
ACTIVE_STATES = {"booked", "confirmed"}

patients = st.integers(0, 2)
slots = st.integers(0, SLOTS - 1)
picks = st.integers(0, 30)


@dataclass
class HoldModel:
    id: str
    patient: int
    slot: int
    until: float
    extended: bool = False


@dataclass
class AppointmentModel:
    id: str
    patient: int
    slot: int
    state: str = "booked"
    version: int = 1

    @property
    def occupies(self) -> bool:
        return self.state != "cancelled"


@dataclass
class DayModel:
    """The expected state of the day. Times are Unix seconds."""

    now: float
    holds: list[HoldModel] = field(default_factory=list)
    ended: list[HoldModel] = field(default_factory=list)
    appointments: list[AppointmentModel] = field(default_factory=list)

    def expire(self) -> None:
        self.ended += [hold for hold in self.holds if hold.until <= self.now]
        self.holds = [hold for hold in self.holds if hold.until > self.now]

    def occupied_slots(self) -> set[int]:
        occupying = {each.slot for each in self.appointments if each.occupies}
        return occupying | {hold.slot for hold in self.holds}

    def has_begun(self, slot: int) -> bool:
        return self.now > (OPENS + slot * VISIT).timestamp()

    def is_free(self, slot: int) -> bool:
        return slot not in self.occupied_slots() and not self.has_begun(slot)


def start_of(slot: int) -> str:
    return (OPENS + slot * VISIT).isoformat()


def state_machine(service: Service, portal: BlockingPortal) -> type[RuleBasedStateMachine]:
    """Return the state machine on a running service; each example has its own provider-location."""

    def run(work: Awaitable[T]) -> T:
        return portal.call(lambda: work)

    class Day(RuleBasedStateMachine):
        @initialize()
        def open(self) -> None:
            service.clock.now = START
            self.model = DayModel(START)
            hours = [{"weekday": "thursday", "opens": "09:00", "closes": "12:00"}]
            self.location = run(bookable_location(service, weekly_hours=hours))
            self.patients = [new_patient(service) for _ in range(3)]
            self.last: tuple[Client, str, Any, str, httpx.Response] | None = None

        def send(self, client: Client, path: str, body: Any = None) -> httpx.Response:
            name = str(uuid4())
            response = run(client.post(path, body, **key(name)))
            # A hold of one's own is returned without an idempotency record: after it expires, the time is held again.
            if response.is_success and (response.status_code, path) != (200, "/v1/holds"):
                self.last = client, path, body, name, response
            return response

        @rule(patient=patients, slot=slots)
        def hold(self, patient: int, slot: int) -> None:
            body = {"provider_location_id": self.location, "start": start_of(slot)}
            response = self.send(self.patients[patient], "/v1/holds", body)
            own = [each for each in self.model.holds if each.patient == patient]
            held = [each.id for each in own if each.slot == slot]
            booked = (patient, slot) in {(each.patient, each.slot) for each in self.model.appointments if each.occupies}
            if not self.model.has_begun(slot) and (held or booked):
                assert response.status_code == (200 if held else 409)
                assert response.json().get("id") in [*held, None]
            elif self.model.is_free(slot) and len(own) >= HOLDS_PER_PATIENT:
                assert response.status_code == 429
            elif self.model.is_free(slot):
                assert response.status_code == 201, response.text
                until = self.model.now + HOLD_LIFETIME.total_seconds()
                self.model.holds.append(HoldModel(response.json()["id"], patient, slot, until))
            else:
                assert response.status_code == 409

        @rule(pick=picks)
        def extend(self, pick: int) -> None:
            if not self.model.holds:
                return
            hold = self.model.holds[pick % len(self.model.holds)]
            response = self.send(self.patients[hold.patient], f"/v1/holds/{hold.id}/extend")
            assert response.status_code == (409 if hold.extended else 200)
            if not hold.extended:
                hold.extended, hold.until = True, max(hold.until, self.model.now + HOLD_LIFETIME.total_seconds())

        @rule(pick=picks)
        def release(self, pick: int) -> None:
            if self.model.holds:
                hold = self.model.holds.pop(pick % len(self.model.holds))
                assert run(self.patients[hold.patient].delete(f"/v1/holds/{hold.id}")).status_code == 204
                self.model.ended.append(hold)

        @rule(pick=picks)
        def book(self, pick: int) -> None:
            if self.model.holds:
                hold = self.model.holds.pop(pick % len(self.model.holds))
                response = self.send(self.patients[hold.patient], "/v1/appointments", {"hold_id": hold.id})
                assert response.status_code == 201, response.text
                self.model.appointments.append(AppointmentModel(hold.id, hold.patient, hold.slot))

        @rule(pick=picks)
        def book_ended_hold(self, pick: int) -> None:
            if self.model.ended:
                hold = self.model.ended[pick % len(self.model.ended)]
                response = self.send(self.patients[hold.patient], "/v1/appointments", {"hold_id": hold.id})
                assert (response.status_code, response.json()["type"].rpartition(":")[2]) == (409, "hold-lapsed")

        @rule(pick=picks, slot=slots)
        def move(self, pick: int, slot: int) -> None:
            if not self.model.appointments:
                return
            booked = self.model.appointments[pick % len(self.model.appointments)]
            path = f"/v1/appointments/{booked.id}/reschedule"
            response = self.send(self.patients[booked.patient], path, {"start": start_of(slot)})
            late = self.model.has_begun(booked.slot)
            if booked.state in ACTIVE_STATES and not late and slot == booked.slot:
                assert (response.status_code, response.json()["version"]) == (200, booked.version)
            elif booked.state in ACTIVE_STATES and not late and self.model.is_free(slot):
                assert response.status_code == 200, response.text
                booked.slot, booked.state, booked.version = slot, "booked", booked.version + 1
            else:
                assert response.status_code == 409

        @rule(pick=picks, action=st.sampled_from(["confirm", "cancel", "arrived", "completed", "no_show"]))
        def act(self, pick: int, action: str) -> None:
            if not self.model.appointments:
                return
            booked = self.model.appointments[pick % len(self.model.appointments)]
            staff = action in {"arrived", "completed", "no_show"}
            client = staff_client(service) if staff else self.patients[booked.patient]
            body = {"reason": "other"} if action == "cancel" else None
            response = self.send(client, f"/v1/appointments/{booked.id}/{action}", body)
            after = self.after(booked, action)
            assert response.status_code == (409 if after is None else 200), response.text
            if after is not None:
                booked.state, booked.version = after, booked.version + 1

        def after(self, booked: AppointmentModel, action: str) -> str | None:
            """Return the state after the action; None if the action isn't possible."""
            begins = (OPENS + booked.slot * VISIT).timestamp()
            possible = {
                "confirm": booked.state == "booked",
                "cancel": booked.state in ACTIVE_STATES and self.model.now <= begins,
                "arrived": booked.state in ACTIVE_STATES and self.model.now >= begins - ARRIVAL_LEAD.total_seconds(),
                "completed": booked.state == "arrived" and self.model.now >= begins,
                "no_show": booked.state in ACTIVE_STATES and self.model.now >= begins,
            }
            return {"confirm": "confirmed", "cancel": "cancelled"}.get(action, action) if possible[action] else None

        @rule(seconds=st.sampled_from([30, 120, 290, 310, 5_000, 96_000]))
        def wait(self, seconds: int) -> None:
            # Stop in the middle of the booked day, so that some slots are still ahead.
            self.model.now = min(self.model.now + seconds, (OPENS + 3 * VISIT).timestamp() + 1)
            service.clock.now = self.model.now
            self.model.expire()

        @rule()
        def repeat(self) -> None:
            if self.last is not None:
                client, path, body, name, before = self.last
                again = run(client.post(path, body, **key(name)))
                assert (again.status_code, again.content) == (before.status_code, before.content)

        @invariant()
        def matches_the_model(self) -> None:
            offered = run(free_starts(service, self.location))
            expected = [slot for slot in range(SLOTS) if self.model.is_free(slot)]
            assert [datetime.fromisoformat(each) for each in offered] == [OPENS + slot * VISIT for slot in expected]
            for booked in self.model.appointments[-2:]:
                shown = run(self.patients[booked.patient].get(f"/v1/appointments/{booked.id}")).json()
                assert (shown["state"], shown["version"]) == (booked.state, booked.version)

    return Day


@pytest.mark.parametrize(
    "examples",
    [pytest.param(4, id="short"), pytest.param(200, id="long", marks=[pytest.mark.chaos, pytest.mark.timeout(1800)])],
)
def test_service_agrees_with_the_model(served: Service, portal: BlockingPortal, examples: int) -> None:
    run_state_machine_as_test(
        state_machine(served, portal),
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            # Each step is two or three requests: shrinking would take longer than reading the failed example.
            phases=(Phase.explicit, Phase.generate),
        ),
    )
