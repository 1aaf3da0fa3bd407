"""Lists are returned in pages."""

from typing import Any

import pytest

from .running import CHICAGO, FAMILY_MEDICINE, OAKLAND, Directory, fields, npi


async def _pages(directory: Directory, url: str, after_page: Any = None) -> list[list[Any]]:
    """Return the items of all pages by following `Link`; `after_page` is awaited after each."""
    pages: list[list[Any]] = []
    following: str | None = url
    while following is not None:
        response = await directory.http.get(following)
        assert response.status_code == 200, response.text
        pages.append(response.json()["items"])
        link = response.links.get("next")
        assert (link is None) == (response.json()["next"] is None)
        following = link["url"] if link else None
        if after_page is not None:
            await after_page(len(pages))
    return pages


async def test_pages_contain_each_item_once_in_order(directory: Directory) -> None:
    for number in range(7):
        await directory.create("insurance-plans", id=f"PLAN-{number}", name="x")
    pages = await _pages(directory, "/v1/directory/insurance-plans?limit=3")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [item["id"] for page in pages for item in page] == [f"PLAN-{number}" for number in range(7)]
    assert [len(page) for page in await _pages(directory, "/v1/directory/insurance-plans?limit=7")] == [7]


async def test_pages_are_stable_while_items_are_created_and_deleted(directory: Directory) -> None:
    for number in range(10, 30, 2):
        await directory.create("insurance-plans", id=f"PLAN-{number}", name="x")

    async def change(page: int) -> None:
        await directory.create("insurance-plans", id=f"PLAN-{10 + page}A", name="came")
        await directory.delete(f"insurance-plans/PLAN-{8 + 2 * page}", 1)

    pages = await _pages(directory, "/v1/directory/insurance-plans?limit=3", change)
    shown = [item["id"] for page in pages for item in page]
    assert len(shown) == len(set(shown))
    stayed = {item["id"] for page in await _pages(directory, "/v1/directory/insurance-plans") for item in page}
    assert {f"PLAN-{number}" for number in range(10, 30, 2)} & stayed <= set(shown)


async def test_filters_narrow_the_list(directory: Directory) -> None:
    created = await directory.create_provider_location()
    other = await directory.create("locations", address=OAKLAND)
    await directory.create("provider-locations", npi=npi(1), location_id=other["id"], taxonomy=FAMILY_MEDICINE)
    named = await directory.create("practices", name="Seaside", npi=npi(9))

    async def ids(query: str) -> set[str]:
        return {item["id"] for item in (await directory.get(query))["items"]}

    assert len(await ids(f"provider-locations?npi={npi(1)}")) == 2
    assert await ids(f"provider-locations?location_id={created['location_id']}") == {created["id"]}
    assert await ids(f"provider-locations?practice_id={created['practice_id']}") == {created["id"]}
    assert await ids(f"locations?practice_id={created['practice_id']}") == {created["location_id"]}
    assert await ids(f"practices?npi={npi(9)}") == {named["id"]}


async def test_filters_apply_to_all_pages(directory: Directory) -> None:
    await directory.create("insurance-plans", id="OTHER", name="x", issuer="B")
    for number in range(4):
        await directory.create("insurance-plans", id=f"PLAN-{number}", name="x", issuer="A & Sons")
    pages = await _pages(directory, "/v1/directory/insurance-plans?limit=3&issuer=A%20%26%20Sons")
    assert [[item["id"] for item in page] for page in pages] == [["PLAN-0", "PLAN-1", "PLAN-2"], ["PLAN-3"]]


async def test_provider_locations_are_ordered_by_npi_then_id(directory: Directory) -> None:
    location = await directory.create("locations", address=CHICAGO)
    for number in (3, 1, 2):
        await directory.create_provider_location(number, location_id=location["id"])
    pages = await _pages(directory, "/v1/directory/provider-locations?limit=1")
    assert [page[0]["npi"] for page in pages if page] == sorted(npi(number) for number in (1, 2, 3))


@pytest.mark.parametrize(("query", "field"), [("limit=0", "limit"), ("limit=201", "limit"), ("cursor=AAAA", "cursor")])
async def test_invalid_limits_and_cursors_are_rejected(directory: Directory, query: str, field: str) -> None:
    response = await directory.http.get(f"/v1/directory/practices?{query}")
    assert (response.status_code, fields(response)) == (422, [field])


async def test_cursor_of_another_list_is_rejected(directory: Directory) -> None:
    for number in (1, 2):
        await directory.create_provider(number)
    cursor = (await directory.get("providers?limit=1"))["next"]
    response = await directory.http.get("/v1/directory/insurance-plans", params={"cursor": cursor})
    assert (response.status_code, fields(response)) == (422, ["cursor"])
