"""Provider pages over HTTP, with an in-memory source of truth."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from botocore.exceptions import EndpointConnectionError

from millrace_contracts.entities import (
    Address,
    Availability,
    Opening,
    Position,
    Provider,
    ProviderLocation,
    ReviewSummary,
)
from millrace_readmodel.cards import ItemCollection
from millrace_readmodel.openings import WeekItem
from millrace_readmodel.zones import week_number
from millrace_search.provider.service import ProviderService

from .conftest import SearchApp
from .factories import make_npi

ADA = Provider(
    npi=make_npi(1),
    first_name="Ada",
    last_name="Lovelace",
    credential="MD",
    display_name="Ada Lovelace, MD",
    taxonomy="207N00000X",
    taxonomies=("207N00000X", "207Q00000X"),
    specialty="dermatology",
    languages=("en", "fr"),
)
OFFICE = ProviderLocation(
    id="4f6d7c1e-0000-5000-8000-000000000001",
    npi=make_npi(1),
    location_id="location-1",
    address=Address(line1="350 5th Ave", city="New York", state="NY", zip="10118"),
    taxonomy="207N00000X",
    specialty="dermatology",
    accepted_plans=("P1",),
    practice_id="practice-1",
    practice_name="Midtown Skin Care",
    position=Position(lat=40.75, lon=-73.99),
    time_zone="America/New_York",
)


class MemoryTruth:
    """A source of truth in memory, unavailable if `is_down`, and the clock of the service."""

    def __init__(self) -> None:
        self.is_down = False
        self.now = datetime(2026, 11, 23, 14, tzinfo=UTC)
        self.stored = {
            make_npi(1): ItemCollection(
                make_npi(1), ADA, [OFFICE], ReviewSummary(npi=make_npi(1), count=3, overall=4.5), 6
            )
        }
        self.stored[make_npi(2)] = ItemCollection(make_npi(2), None, [], None, 4)

    def time(self) -> float:
        return self.now.timestamp()

    def monotonic(self) -> float:
        return self.time()

    async def collection(self, npi: str) -> ItemCollection:
        if self.is_down:
            raise EndpointConnectionError(endpoint_url="http://dynamodb")
        return self.stored.get(npi) or ItemCollection(npi, None, [], None, 0)


@pytest.fixture
def truth(search_app: SearchApp) -> MemoryTruth:
    entity = MemoryTruth()
    search_app.app.state.providers = ProviderService(entity, entity)
    return entity


async def test_page_contains_the_whole_collection(search_app: SearchApp, truth: MemoryTruth) -> None:
    response = await search_app.http.get(f"/v1/providers/{make_npi(1)}")
    assert response.status_code == 200
    assert response.headers["ETag"] == '"6"'
    page = response.json()
    assert page["name"] == "Ada Lovelace, MD"
    assert page["specialty"] == {"slug": "dermatology", "name": "Dermatology"}
    assert [taxonomy["code"] for taxonomy in page["taxonomies"]] == ["207N00000X", "207Q00000X"]
    assert page["reviews"] == {"count": 3, "overall": 4.5, "bedside_manner": None, "wait_time": None}
    (location,) = page["locations"]
    assert location["practice"] == {"id": "practice-1", "name": "Midtown Skin Care"}
    assert location["accepted_plans"] == ["P1"]
    listed = await search_app.http.get(f"/v1/providers/{make_npi(1)}/locations")
    assert listed.json() == {"items": [location]}
    assert listed.headers["ETag"] == '"6"'


async def test_page_lists_the_plans_of_the_current_year(search_app: SearchApp, truth: MemoryTruth) -> None:
    path = f"/v1/providers/{make_npi(1)}"
    years = {"P1": (2025,), "P2": (2026,), "P3": (2026, 2027)}
    office = msgspec.structs.replace(OFFICE, accepted_plans=("P1", "P2", "P3", "P4"), accepted_plan_years=years)
    truth.stored[make_npi(1)] = replace(truth.stored[make_npi(1)], locations=[office])
    first = await search_app.http.get(path)
    assert first.json()["locations"][0]["accepted_plans"] == ["P2", "P3", "P4"]
    truth.now = datetime(2027, 1, 1, tzinfo=UTC)
    second = await search_app.http.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert second.json()["locations"][0]["accepted_plans"] == ["P3", "P4"]


async def test_locations_contain_the_next_openings(search_app: SearchApp, truth: MemoryTruth) -> None:
    starts = ("2026-11-23T09:30:00-05:00", "2026-11-23T10:00:00-05:00", "2026-11-25T09:00:00-05:00")
    entity = Availability(
        provider_location_id=OFFICE.id,
        npi=make_npi(1),
        week="2026-W48",
        time_zone="America/New_York",
        openings=tuple(Opening(start=start, minutes=20) for start in starts),
    )
    week = WeekItem(make_npi(1), OFFICE.id, week_number(entity.week), 3, msgspec.json.encode(entity).decode())
    truth.stored[make_npi(1)] = replace(truth.stored[make_npi(1)], weeks={OFFICE.id: [week]})
    path = f"/v1/providers/{make_npi(1)}/locations"
    first = await search_app.http.get(path)
    (location,) = first.json()["items"]
    assert location["openings"] == {
        "from": "2026-11-23",
        "counts": [2, 0, 1, *[0] * 11],
        "first": [starts[0], starts[2]],
    }
    truth.now += timedelta(hours=1)
    second = await search_app.http.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert second.json()["items"][0]["openings"]["first"] == [starts[2]]
    again = await search_app.http.get(path, headers={"If-None-Match": second.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["", "/locations"])
async def test_known_version_returns_304(search_app: SearchApp, truth: MemoryTruth, path: str) -> None:
    for known in ('"6"', 'W/"6"', '"5", "6"', "*"):
        response = await search_app.http.get(f"/v1/providers/{make_npi(1)}{path}", headers={"If-None-Match": known})
        assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", '"6"')
    response = await search_app.http.get(f"/v1/providers/{make_npi(1)}{path}", headers={"If-None-Match": '"5"'})
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["", "/locations"])
async def test_unknown_provider_returns_404(search_app: SearchApp, truth: MemoryTruth, path: str) -> None:
    for unknown in (make_npi(2), make_npi(3)):
        response = await search_app.http.get(f"/v1/providers/{unknown}{path}")
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("invalid", ["123", "1000000013", "abcdefghij"])
async def test_invalid_npi_is_rejected(search_app: SearchApp, truth: MemoryTruth, invalid: str) -> None:
    response = await search_app.http.get(f"/v1/providers/{invalid}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "npi"


async def test_unavailable_truth_returns_503(search_app: SearchApp, truth: MemoryTruth) -> None:
    truth.is_down = True
    response = await search_app.http.get(f"/v1/providers/{make_npi(1)}")
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
