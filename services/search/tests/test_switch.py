"""Generations are switched, and connections lost, while searches go on."""

import asyncio
from typing import Any

import httpx

from millrace_feeds.testing import wait_until
from millrace_readmodel import layout
from millrace_readmodel.bulk import load

from .conftest import Site
from .factories import card, npi

PEOPLE = 30


def people(generation: int) -> list[Any]:
    """The same people in each generation, under names that tell which."""
    return [card(number, name=f"Ada Generation{generation}") for number in range(PEOPLE)]


async def test_every_search_is_answered_from_one_whole_generation(site: Site) -> None:
    await site.serve(people(1))
    answers: list[dict[str, Any]] = []
    over = False

    async def search(**parameters: Any) -> None:
        while not over:
            answers.append(await site.search(limit=50, **parameters))
            await asyncio.sleep(0)  # what is answered from memory doesn't wait for anything

    searching = [
        asyncio.create_task(search(**parameters)) for parameters in ({}, {"name": "ada"}, {"sort": "distance"}) * 2
    ]
    for generation in range(2, 7):
        await load(site.redis, generation, people(generation))
        await site.redis.set(layout.GENERATION_KEY, generation)
        await site.redis.delete(*[key async for key in site.redis.scan_iter(f"{generation - 1}:*")])
        await wait_until(lambda: site.reads(generation))  # noqa: B023 # awaited before it changes
        seen = len(answers)
        await wait_until(_more(answers, seen + 6))
    over = True
    await asyncio.gather(*searching)
    for answer in answers:
        names = {result["provider"]["name"] for result in answer["results"]}
        assert len(answer["results"]) == answer["total"] == PEOPLE
        assert len(names) == 1
    shown = [answer["results"][0]["provider"]["name"] for answer in answers]
    assert set(shown) == {f"Ada Generation{generation}" for generation in range(1, 7)}


def _more(answers: list[dict[str, Any]], n: int) -> Any:
    async def enough() -> bool:
        return len(answers) >= n

    return enough


async def test_a_lost_tracking_connection_is_no_reason_for_old_answers(site: Site) -> None:
    await site.serve([card(1, name="Ada Old")])
    assert (await site.search())["results"][0]["provider"]["name"] == "Ada Old"
    fresh = card(1, name="Ada New", version=2)
    await load(site.redis, 9, [fresh])
    (partition,) = [key async for key in site.redis.scan_iter("1:p:*")]
    (other,) = [key async for key in site.redis.scan_iter("9:p:*")]
    row = layout.row_id(fresh.id)
    rows, written = await site.value(other), await site.value(layout.card_key(9, row))
    for client in await site.redis.client_list():
        if client["sub"] == "1":
            await site.redis.client_kill_filter(_id=client["id"])
    await site.redis.mset({partition: rows, layout.card_key(1, row): written})

    async def new() -> bool:
        return bool((await site.search())["results"][0]["provider"]["name"] == "Ada New")

    await wait_until(new)
    await wait_until(lambda: site.reads(1))
    assert await new()


async def test_a_lost_reading_connection_costs_at_most_a_503(site: Site) -> None:
    await site.serve([card(1)])
    own = await site.redis.client_id()
    for client in await site.redis.client_list():
        if int(client["id"]) != own:
            await site.redis.client_kill_filter(_id=client["id"])

    async def answered() -> bool:
        response: httpx.Response = await site.http.get(
            "/v1/search", params={"near": "10001", "specialty": "dermatology"}
        )
        assert response.status_code in (200, 503)
        return response.status_code == 200 and response.json()["results"][0]["provider"]["npi"] == npi(1)

    await wait_until(answered)
