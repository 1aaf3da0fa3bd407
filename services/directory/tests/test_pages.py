"""Lists in pages."""

from typing import Any

import pytest

from .running import CHICAGO, FAMILY_MEDICINE, OAKLAND, Directory, fields, npi


async def _pages(directory: Directory, url: str, between: Any = None) -> list[list[Any]]:
    """The items of all pages, by following `Link`; `between` is awaited after each."""
    pages: list[list[Any]] = []
    following: str | None = url
    while following is not None:
        answer = await directory.http.get(following)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json()["items"])
        link = answer.links.get("next")
        assert (link is None) == (answer.json()["next"] is None)
        following = link["url"] if link else None
        if between is not None:
            await between(len(pages))
    return pages


async def test_pages_show_everything_once_in_order(directory: Directory) -> None:
    for number in range(7):
        await directory.create("insurance-plans", id=f"PLAN-{number}", name="x")
    pages = await _pages(directory, "/v1/directory/insurance-plans?limit=3")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [item["id"] for page in pages for item in page] == [f"PLAN-{number}" for number in range(7)]
    assert [len(page) for page in await _pages(directory, "/v1/directory/insurance-plans?limit=7")] == [7]


async def test_what_comes_and_goes_meanwhile_shifts_nothing(directory: Directory) -> None:
    for number in range(10, 30, 2):
        await directory.create("insurance-plans", id=f"PLAN-{number}", name="x")

    async def meanwhile(page: int) -> None:
        await directory.create("insurance-plans", id=f"PLAN-{10 + page}A", name="came")
        await directory.delete(f"insurance-plans/PLAN-{8 + 2 * page}", 1)

    pages = await _pages(directory, "/v1/directory/insurance-plans?limit=3", meanwhile)
    shown = [item["id"] for page in pages for item in page]
    assert len(shown) == len(set(shown))
    stayed = {item["id"] for page in await _pages(directory, "/v1/directory/insurance-plans") for item in page}
    assert {f"PLAN-{number}" for number in range(10, 30, 2)} & stayed <= set(shown)


async def test_filters_narrow_the_list(directory: Directory) -> None:
    place = await directory.place()
    other = await directory.create("locations", address=OAKLAND)
    await directory.create("provider-locations", npi=npi(1), location_id=other["id"], taxonomy=FAMILY_MEDICINE)
    named = await directory.create("practices", name="Seaside", npi=npi(9))

    async def ids(query: str) -> set[str]:
        return {item["id"] for item in (await directory.get(query))["items"]}

    assert len(await ids(f"provider-locations?npi={npi(1)}")) == 2
    assert await ids(f"provider-locations?location_id={place['location_id']}") == {place["id"]}
    assert await ids(f"provider-locations?practice_id={place['practice_id']}") == {place["id"]}
    assert await ids(f"locations?practice_id={place['practice_id']}") == {place["location_id"]}
    assert await ids(f"practices?npi={npi(9)}") == {named["id"]}


async def test_filters_hold_over_pages(directory: Directory) -> None:
    await directory.create("insurance-plans", id="OTHER", name="x", issuer="B")
    for number in range(4):
        await directory.create("insurance-plans", id=f"PLAN-{number}", name="x", issuer="A & Sons")
    pages = await _pages(directory, "/v1/directory/insurance-plans?limit=3&issuer=A%20%26%20Sons")
    assert [[item["id"] for item in page] for page in pages] == [["PLAN-0", "PLAN-1", "PLAN-2"], ["PLAN-3"]]


async def test_provider_locations_are_ordered_by_npi_then_id(directory: Directory) -> None:
    location = await directory.create("locations", address=CHICAGO)
    for number in (3, 1, 2):
        await directory.create_provider(number)
        await directory.create(
            "provider-locations", npi=npi(number), location_id=location["id"], taxonomy=FAMILY_MEDICINE
        )
    pages = await _pages(directory, "/v1/directory/provider-locations?limit=1")
    assert [page[0]["npi"] for page in pages if page] == sorted(npi(number) for number in (1, 2, 3))


@pytest.mark.parametrize(("query", "field"), [("limit=0", "limit"), ("limit=201", "limit"), ("cursor=AAAA", "cursor")])
async def test_bounds_and_foreign_cursors_are_refused(directory: Directory, query: str, field: str) -> None:
    answer = await directory.http.get(f"/v1/directory/practices?{query}")
    assert (answer.status_code, fields(answer)) == (422, [field])


async def test_a_cursor_belongs_to_its_list(directory: Directory) -> None:
    for number in (1, 2):
        await directory.create_provider(number)
    cursor = (await directory.get("providers?limit=1"))["next"]
    answer = await directory.http.get("/v1/directory/insurance-plans", params={"cursor": cursor})
    assert (answer.status_code, fields(answer)) == (422, ["cursor"])
