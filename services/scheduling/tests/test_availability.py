"""What can be booked, as anybody sees it. The clock stands at Wednesday 2026-11-18, 06:06 in New York."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from .running import CALENDAR, START, Service

NOW = datetime.fromtimestamp(START, UTC)
TYPES: list[dict[str, Any]] = [
    {"id": "new", "name": "New patient", "minutes": 60, "patients": ["new"]},
    {"id": "known", "name": "Follow-up", "minutes": 30, "patients": ["existing"], "modes": ["in_person", "video"]},
    {"id": "skin", "name": "Skin check", "minutes": 90, "visit_reasons": ["skin-cancer-screening"], "buffer_after": 30},
]


async def ask(service: Service, *places: str, **parameters: str) -> httpx.Response:
    first = {"from": "2026-11-18", "to": "2026-11-18"} if "from" not in parameters else {}
    return await service.client.get(
        "/v1/availability", params={"provider_location": list(places), **first, **parameters}
    )


async def starts(service: Service, place: str, **parameters: str) -> list[str]:
    answer = await ask(service, place, **parameters)
    assert answer.status_code == 200, answer.text
    return [opening["start"] for opening in answer.json()["provider_locations"][0]["openings"]]


async def claim(service: Service, place: str, start: str, minutes: int, *, after: int = 0, **values: Any) -> None:
    """Somebody's hold or appointment."""
    begin = datetime.fromisoformat(start)
    row = {
        "id": uuid4(), "place": UUID(place), "patient": uuid4(), "start": begin, "minutes": minutes, "until": begin
        + timedelta(minutes=minutes + after), "kind": "appointment", "expires": None, "now": NOW, **values,
    }  # fmt: skip
    statement = """
        INSERT INTO reservations (id, place_id, npi, patient_id, start, minutes, occupied, kind, live, expires_at, visit_type,
                            mode, patient_kind, created_at)
        SELECT :id, id, npi, :patient, :start, :minutes, tstzrange(:start, :until), :kind, true, :expires, 'visit',
               'in_person', 'new', :now FROM places WHERE id = :place
    """
    async with service.database.transaction() as session:
        await session.execute(text(statement), row)


async def why(service: Service, place: str, start: str, **parameters: str) -> list[str]:
    answer = await service.client.get(
        "/v1/availability/explain", params={"provider_location": place, "start": start, **parameters}
    )
    assert answer.status_code == 200, answer.text
    found = [reason["code"] for reason in answer.json()["reasons"]]
    assert answer.json()["offered"] == (not found)
    return found


async def test_times_carry_the_offset_and_the_zone_of_their_place(service: Service) -> None:
    east = await service.place(calendar=CALENDAR)
    west = await service.place(calendar=CALENDAR, time_zone="America/Phoenix")
    answer = await ask(service, east, west)
    shown = answer.json()["provider_locations"]
    assert [each["provider_location_id"] for each in shown] == [east, west]
    assert [each["time_zone"] for each in shown] == ["America/New_York", "America/Phoenix"]
    assert [len(each["openings"]) for each in shown] == [16, 16]
    assert shown[0]["openings"][0] == {
        "start": "2026-11-18T09:00:00-05:00",
        "minutes": 30,
        "modes": ["in_person"],
        "patients": ["existing", "new"],
    }
    assert shown[1]["openings"][-1]["start"] == "2026-11-18T16:30:00-07:00"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_what_is_booked_or_held_isnt_offered_at_any_place_of_the_provider(service: Service) -> None:
    place = await service.place(npi="1234567893", calendar=CALENDAR)
    other = await service.place(npi="1234567893", calendar=CALENDAR)
    await claim(service, place, "2026-11-18T09:00:00-05:00", 30)
    await claim(service, place, "2026-11-18T10:00:00-05:00", 30, after=10)
    await claim(service, place, "2026-11-18T11:00:00-05:00", 30, kind="hold", expires=NOW + timedelta(minutes=5))
    await claim(service, place, "2026-11-18T12:00:00-05:00", 30, kind="hold", expires=NOW)
    gone = {f"2026-11-18T{time}:00-05:00" for time in ("09:00", "10:00", "10:30", "11:00")}
    for each in (place, other):
        found = await starts(service, each)
        assert len(found) == 12
        assert gone.isdisjoint(found)
    assert await why(service, place, "2026-11-18T09:00:00-05:00") == ["booked"]
    assert await why(service, place, "2026-11-18T10:30:00-05:00") == ["buffer"]
    assert await why(service, place, "2026-11-18T11:00:00-05:00") == ["held"]
    assert await why(service, place, "2026-11-18T12:00:00-05:00") == []


async def test_visit_types_decide_which_times_there_are(service: Service) -> None:
    place = await service.place(calendar={**CALENDAR, "visit_types": TYPES})
    await claim(service, place, "2026-11-18T10:00:00-05:00", 30)
    new = await starts(service, place, patient="new", visit_reason="acne")
    assert "2026-11-18T09:00:00-05:00" in new
    assert {"2026-11-18T09:30:00-05:00", "2026-11-18T16:30:00-05:00"}.isdisjoint(new)
    assert await starts(service, place, patient="new", mode="video") == []
    assert "2026-11-18T09:30:00-05:00" in await starts(service, place, patient="existing", mode="video")
    in_person = {"visit_reason": "skin-cancer-screening", "mode": "in_person"}
    skin = await starts(service, place, **in_person)
    assert skin[0] == "2026-11-18T10:30:00-05:00"
    assert skin[-1] == "2026-11-18T15:30:00-05:00"
    assert await why(service, place, "2026-11-18T16:00:00-05:00", **in_person) == ["too_short"]
    assert await why(service, place, "2026-11-18T09:00:00-05:00", patient="new", mode="video") == ["wrong_visit_type"]


async def test_hours_blocks_holidays_notice_and_horizon(service: Service) -> None:
    calendar = {
        **CALENDAR,
        "minimum_notice": 240,
        "horizon_days": 9,
        "federal_holidays": True,
        "blocks": [{"begins": "2026-11-18T12:00", "ends": "2026-11-18T13:15"}],
        "extra_hours": [{"day": "2026-11-21", "opens": "10:10", "closes": "11:10"}],
    }
    place = await service.place(calendar=calendar)
    found = await starts(service, place, to="2026-12-01")
    assert found[:4] == [f"2026-11-18T{time}:00-05:00" for time in ("10:30", "11:00", "11:30", "13:30")]
    assert [each for each in found if "11-21" in each] == [f"2026-11-21T10:{m}:00-05:00" for m in (10, 40)]
    assert not [each for each in found if "11-26" in each]
    assert found[-1] == "2026-11-25T16:30:00-05:00"
    for start, reason in {
        "2026-11-18T05:00:00-05:00": ["past", "outside_hours"],
        "2026-11-18T10:00:00-05:00": ["notice"],
        "2026-11-18T11:45:00-05:00": ["off_grid", "too_short"],
        "2026-11-18T12:30:00-05:00": ["blocked"],
        "2026-11-18T18:00:00-05:00": ["outside_hours"],
        "2026-11-26T10:00:00-05:00": ["holiday"],
        "2026-11-27T10:00:00-05:00": ["horizon"],
    }.items():
        assert await why(service, place, start) == reason, start


async def test_a_changed_calendar_leaves_what_is_booked(service: Service) -> None:
    place = await service.place(calendar=CALENDAR)
    await claim(service, place, "2026-11-18T09:30:00-05:00", 30)
    headers = {"Authorization": "Bearer admin:", "If-Match": '"1"'}
    longer = {**CALENDAR, "visit_types": [{"id": "visit", "name": "Visit", "minutes": 60}]}
    await service.client.put(f"/v1/calendars/{place}", json=longer, headers=headers)
    found = await starts(service, place)
    assert found[0] == "2026-11-18T10:00:00-05:00"
    assert found[-1] == "2026-11-18T16:00:00-05:00"


async def test_places_that_nobody_can_book(service: Service) -> None:
    empty, unknown = await service.place(), str(uuid4())
    shown = (await ask(service, empty, unknown)).json()["provider_locations"]
    assert [(each["bookable"], each["openings"]) for each in shown] == [(False, []), (False, [])]
    assert await why(service, empty, "2026-11-18T09:00:00-05:00") == ["no_calendar"]
    explained = await service.client.get(
        "/v1/availability/explain", params={"provider_location": unknown, "start": "2026-11-18T09:00:00-05:00"}
    )
    assert explained.status_code == 404


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"to": "2026-12-19"}, "to"),
        ({"to": "2026-11-17"}, "to"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "from"),
        ({"from": "9999-12-31"}, "from"),
        ({"visit_reason": "skin-cancer"}, "visit_reason"),
        ({"mode": "fax"}, "mode"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_is_wrong_is_named(service: Service, parameters: dict[str, str], field: str) -> None:
    answer = await ask(service, str(uuid4()), **parameters)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("start", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-11-18T09:00:00"])
async def test_a_start_that_cant_be_explained(service: Service, start: str) -> None:
    place = await service.place(calendar=CALENDAR)
    answer = await service.client.get("/v1/availability/explain", params={"provider_location": place, "start": start})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["start"]


async def test_no_more_than_fifty_places(service: Service) -> None:
    assert (await ask(service, *(str(uuid4()) for _ in range(50)))).status_code == 200
    assert (await ask(service, *(str(uuid4()) for _ in range(51)))).status_code == 422
