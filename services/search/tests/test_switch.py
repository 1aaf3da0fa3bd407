"""Searches during switches of generations and after lost connections."""

import asyncio
from typing import Any

import pytest

from millrace_feeds.testing import wait_until
from millrace_readmodel import layout
from millrace_readmodel.bulk import load

from .conftest import OpenSearchApp, SearchApp
from .factories import make_card, make_npi

PROVIDERS = 30


def make_cards(generation: int) -> list[Any]:
    """Return cards of the same providers, with the generation in their names."""
    return [make_card(number, name=f"Ada Generation{generation}") for number in range(PROVIDERS)]


async def test_each_search_uses_a_single_complete_generation(search_app: SearchApp) -> None:
    await search_app.serve(make_cards(1))
    responses: list[dict[str, Any]] = []
    is_done = False

    async def search(**parameters: Any) -> None:
        while not is_done:
            responses.append(await search_app.search(limit=50, **parameters))
            await asyncio.sleep(0)  # a search in cached data never yields to the event loop

    searching = [
        asyncio.create_task(search(**parameters)) for parameters in ({}, {"name": "ada"}, {"sort": "distance"}) * 2
    ]
    for generation in range(2, 7):
        await load(search_app.redis, generation, make_cards(generation))
        await search_app.redis.set(layout.GENERATION_KEY, generation)
        await search_app.redis.delete(*[key async for key in search_app.redis.scan_iter(f"{generation - 1}:*")])
        await wait_until(lambda: search_app.is_reading(generation))  # noqa: B023 # awaited before it changes
        count = len(responses)
        while len(responses) < count + 6:  # noqa: ASYNC110 # the searches set no event
            await asyncio.sleep(0)
    is_done = True
    await asyncio.gather(*searching)
    for response in responses:
        names = {result["provider"]["name"] for result in response["results"]}
        assert len(response["results"]) == response["total"] == PROVIDERS
        assert len(names) == 1
    shown = [response["results"][0]["provider"]["name"] for response in responses]
    assert set(shown) == {f"Ada Generation{generation}" for generation in range(1, 7)}


async def test_no_stale_results_after_lost_tracking_connection(search_app: SearchApp) -> None:
    await search_app.serve([make_card(1, name="Ada Old")])
    assert (await search_app.search())["results"][0]["provider"]["name"] == "Ada Old"
    new_card = make_card(1, name="Ada New", version=2)
    await load(search_app.redis, 9, [new_card])
    (partition,) = [key async for key in search_app.redis.scan_iter("1:p:*")]
    (other,) = [key async for key in search_app.redis.scan_iter("9:p:*")]
    row = layout.row_id(new_card.id)
    rows, written = await search_app.get_value(other), await search_app.get_value(layout.card_key(9, row))
    for client in await search_app.redis.client_list():
        if client["sub"] == "1":
            await search_app.redis.client_kill_filter(_id=client["id"])
    await search_app.redis.mset({partition: rows, layout.card_key(1, row): written})

    async def returns_new_name() -> bool:
        return bool((await search_app.search())["results"][0]["provider"]["name"] == "Ada New")

    await wait_until(returns_new_name)
    await wait_until(lambda: search_app.is_reading(1))
    assert await returns_new_name()


@pytest.mark.parametrize("parameters", [{}, {"name": "ada"}], ids=["cached", "by name"])
async def test_search_succeeds_while_connections_are_lost(search_app: SearchApp, parameters: dict[str, str]) -> None:
    await search_app.serve([make_card(1)])
    own = await search_app.redis.client_id()
    for client in await search_app.redis.client_list():
        if int(client["id"]) != own:
            await search_app.redis.client_kill_filter(_id=client["id"])
    assert (await search_app.search(**parameters))["results"][0]["provider"]["npi"] == make_npi(1)


async def test_first_request_after_the_start_succeeds(open_search_app: OpenSearchApp) -> None:
    async with open_search_app() as first:
        await first.serve([make_card(1)])
    async with open_search_app() as second:
        assert (await second.search())["total"] == 1
