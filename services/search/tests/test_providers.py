"""Provider pages over HTTP, from a truth in memory."""

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

from .conftest import Site
from .factories import npi

ADA = Provider(
    npi=npi(1),
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
    npi=npi(1),
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


class Truth:
    """What is in it, by NPI; down when told so. Its clock is that of the page."""

    def __init__(self) -> None:
        self.down = False
        self.now = datetime(2026, 11, 23, 14, tzinfo=UTC)
        self.stored = {
            npi(1): ItemCollection(npi(1), ADA, [OFFICE], ReviewSummary(npi=npi(1), count=3, overall=4.5), 6)
        }
        self.stored[npi(2)] = ItemCollection(npi(2), None, [], None, 4)

    def time(self) -> float:
        return self.now.timestamp()

    def monotonic(self) -> float:
        return self.time()

    async def collection(self, npi: str) -> ItemCollection:
        if self.down:
            raise EndpointConnectionError(endpoint_url="http://dynamodb")
        return self.stored.get(npi) or ItemCollection(npi, None, [], None, 0)


@pytest.fixture
def truth(site: Site) -> Truth:
    made = Truth()
    site.app.state.providers = ProviderService(made, made)
    return made


async def test_a_page_shows_the_whole_collection(site: Site, truth: Truth) -> None:
    response = await site.http.get(f"/v1/providers/{npi(1)}")
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
    listed = await site.http.get(f"/v1/providers/{npi(1)}/locations")
    assert listed.json() == {"items": [location]}
    assert listed.headers["ETag"] == '"6"'


async def test_locations_show_the_next_openings(site: Site, truth: Truth) -> None:
    starts = ("2026-11-23T09:30:00-05:00", "2026-11-23T10:00:00-05:00", "2026-11-25T09:00:00-05:00")
    made = Availability(
        provider_location_id=OFFICE.id,
        npi=npi(1),
        week="2026-W48",
        time_zone="America/New_York",
        openings=tuple(Opening(start=start, minutes=20) for start in starts),
    )
    week = WeekItem(npi(1), OFFICE.id, week_number(made.week), 3, msgspec.json.encode(made).decode())
    truth.stored[npi(1)] = replace(truth.stored[npi(1)], weeks={OFFICE.id: [week]})
    path = f"/v1/providers/{npi(1)}/locations"
    first = await site.http.get(path)
    (location,) = first.json()["items"]
    assert location["openings"] == {
        "from": "2026-11-23",
        "counts": [2, 0, 1, *[0] * 11],
        "first": [starts[0], starts[2]],
    }
    truth.now += timedelta(hours=1)
    second = await site.http.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert second.json()["items"][0]["openings"]["first"] == [starts[2]]
    again = await site.http.get(path, headers={"If-None-Match": second.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["", "/locations"])
async def test_a_known_version_is_not_sent_again(site: Site, truth: Truth, path: str) -> None:
    for known in ('"6"', 'W/"6"', '"5", "6"', "*"):
        response = await site.http.get(f"/v1/providers/{npi(1)}{path}", headers={"If-None-Match": known})
        assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", '"6"')
    response = await site.http.get(f"/v1/providers/{npi(1)}{path}", headers={"If-None-Match": '"5"'})
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["", "/locations"])
async def test_who_is_not_in_the_directory_is_not_found(site: Site, truth: Truth, path: str) -> None:
    for gone in (npi(2), npi(3)):
        response = await site.http.get(f"/v1/providers/{gone}{path}")
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("wrong", ["123", "1000000013", "abcdefghij"])
async def test_what_is_no_npi_is_refused(site: Site, truth: Truth, wrong: str) -> None:
    response = await site.http.get(f"/v1/providers/{wrong}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "npi"


async def test_a_truth_that_is_down_is_to_be_asked_later(site: Site, truth: Truth) -> None:
    truth.down = True
    response = await site.http.get(f"/v1/providers/{npi(1)}")
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
