"""Suggestions over HTTP."""

from typing import Any

import pytest

from millrace_readmodel import layout

from .conftest import Site
from .factories import card, npi


async def suggest(site: Site, q: str, **parameters: Any) -> dict[str, Any]:
    response = await site.http.get("/v1/suggest", params={"q": q, **parameters})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


async def serve(site: Site) -> None:
    plan = b"\1" + 7 * b"\0" + b'{"id": "12345NY0010001", "name": "Silver PPO", "issuer": "Acme Health"}'
    await site.redis.hset(layout.plans_key(1), "12345NY0010001", plan)
    people = ("María Ibáñez", "Mary Smith", "John Smithson", "Jon Smythe", "Silvia Kowalski", "Li Wu")
    cards = [card(number, name=name) for number, name in enumerate(people, 1)]
    second_location = card(20, name="Mary Smith", npi=npi(2))
    await site.serve([*cards, second_location])


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("smith", ["Mary Smith", "John Smithson"]),
        ("mary s", ["Mary Smith"]),
        ("SMITH ma", ["Mary Smith"]),
        ("ibanez", ["María Ibáñez"]),
        ("Ibañ", ["María Ibáñez"]),
        ("ibnaez", ["María Ibáñez"]),
        ("kowlski", ["Silvia Kowalski"]),
        ("kowaalski", ["Silvia Kowalski"]),
        ("kovalski", ["Silvia Kowalski"]),
        ("jonh smithson", ["John Smithson"]),
        ("kvoalksi", []),
        ("wu", ["Li Wu"]),
        ("w", []),
        ("mary mary quite contrary", []),
    ],
)
async def test_providers_by_the_beginnings_of_their_names(site: Site, typed: str, expected: list[str]) -> None:
    await serve(site)
    assert sorted(names((await suggest(site, typed))["providers"])) == sorted(expected)


async def test_a_provider_is_told_apart_by_npi_specialty_and_city(site: Site) -> None:
    await serve(site)
    (provider,) = (await suggest(site, "kowalski"))["providers"]
    assert provider == {
        "npi": npi(5),
        "name": "Silvia Kowalski",
        "specialty": {"slug": "dermatology", "name": "Dermatology"},
        "city": "New York",
        "state": "NY",
    }


@pytest.mark.parametrize("typed", ["derm", "DERMATO", "dremat", "dermstology", "skin doctor"])
async def test_specialties_by_name_and_synonym(site: Site, typed: str) -> None:
    await serve(site)
    assert names((await suggest(site, typed))["specialties"])[0] == "Dermatology"


async def test_visit_reasons_and_plans(site: Site) -> None:
    await serve(site)
    assert "Annual Physical" in names((await suggest(site, "annual phys"))["visit_reasons"])
    assert names((await suggest(site, "silv"))["plans"]) == ["Silver PPO"]
    assert names((await suggest(site, "acme silvr"))["plans"]) == ["Silver PPO"]
    assert names((await suggest(site, "12345ny"))["plans"]) == ["Silver PPO"]


async def test_suggestions_are_bounded(site: Site) -> None:
    await site.serve([card(number) for number in range(40)])
    answer = await suggest(site, "lovelace", limit=3)
    assert len(answer["providers"]) == 3
    assert len((await suggest(site, "pe", limit=2))["specialties"]) == 2


async def test_a_text_without_letters_suggests_nothing(site: Site) -> None:
    await serve(site)
    assert not any((await suggest(site, "?!")).values())


async def test_bad_requests_and_a_missing_read_model(site: Site) -> None:
    assert (await site.http.get("/v1/suggest")).status_code == 422
    assert (await site.http.get("/v1/suggest", params={"q": "x" * 101})).status_code == 422
    response = await site.http.get("/v1/suggest", params={"q": "smith"})
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
