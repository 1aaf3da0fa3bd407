"""Suggestions over HTTP."""

from typing import Any

import pytest

from millrace_readmodel import layout

from .conftest import SearchApp
from .factories import make_card, make_npi


async def suggest(search_app: SearchApp, q: str, **parameters: Any) -> dict[str, Any]:
    response = await search_app.http.get("/v1/suggest", params={"q": q, **parameters})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def item_names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


async def serve(search_app: SearchApp) -> None:
    plan = b"\1" + 7 * b"\0" + b'{"id": "12345NY0010001", "name": "Silver PPO", "issuer": "Acme Health"}'
    await search_app.redis.hset(layout.plans_key(1), "12345NY0010001", plan)
    provider_names = ("María Ibáñez", "Mary Smith", "John Smithson", "Jon Smythe", "Silvia Kowalski", "Li Wu")
    cards = [make_card(number, name=name) for number, name in enumerate(provider_names, 1)]
    second_location = make_card(20, name="Mary Smith", npi=make_npi(2))
    await search_app.serve([*cards, second_location])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smith", ["Mary Smith", "John Smithson"]),
        ("mary s", ["Mary Smith"]),
        ("SMITH mar", ["Mary Smith"]),
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
async def test_providers_by_name_prefixes(search_app: SearchApp, text: str, expected: list[str]) -> None:
    await serve(search_app)
    assert sorted(item_names((await suggest(search_app, text))["providers"])) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("D'Angelo", ["Lia D'Angelo", "Mia D’Angelo", "Nia D Angelo"]),
        ("d’ang", ["Lia D'Angelo", "Mia D’Angelo", "Nia D Angelo"]),
        ("d ange", ["Lia D'Angelo", "Mia D’Angelo", "Nia D Angelo"]),
        ("dangelo n", ["Nia D Angelo"]),
        ("dangleo", ["Lia D'Angelo", "Mia D’Angelo", "Nia D Angelo"]),
        ("macart", ["Owen Mac Arthur"]),
        ("mac art", ["Owen Mac Arthur"]),
        ("vanderb", ["Pia van der Berg"]),
        ("berg pia", ["Pia van der Berg"]),
        ("leech", ["Quinn Lee-Chan"]),
        ("lee ch", ["Quinn Lee-Chan"]),
        ("Prof. Lee", ["Quinn Lee-Chan", "Ray Lee"]),
        ("Lee, DO", ["Quinn Lee-Chan", "Ray Lee"]),
        ("Ray Lee, DO", ["Ray Lee"]),
    ],
)
async def test_providers_however_the_name_is_written(search_app: SearchApp, text: str, expected: list[str]) -> None:
    names = (
        "Lia D'Angelo", "Mia D’Angelo", "Nia D Angelo", "Owen Mac Arthur", "Pia van der Berg", "Quinn Lee-Chan",
        "Ray Lee", "Ivan Angstrom", "Daniel Art",
    )  # fmt: skip
    await search_app.serve([make_card(number, name=name) for number, name in enumerate(names, 1)])
    assert sorted(item_names((await suggest(search_app, text))["providers"])) == expected


async def test_word_that_may_be_a_credential_comes_first_as_a_name(search_app: SearchApp) -> None:
    await serve(search_app)
    assert item_names((await suggest(search_app, "smith ma"))["providers"]) == ["Mary Smith", "John Smithson"]


async def test_provider_suggestion_contains_npi_specialty_and_city(search_app: SearchApp) -> None:
    await serve(search_app)
    (provider,) = (await suggest(search_app, "kowalski"))["providers"]
    assert provider == {
        "npi": make_npi(5),
        "name": "Silvia Kowalski",
        "specialty": {"slug": "dermatology", "name": "Dermatology"},
        "city": "New York",
        "state": "NY",
    }


@pytest.mark.parametrize("text", ["derm", "DERMATO", "dremat", "dermstology", "skin doctor"])
async def test_specialties_by_name_and_synonym(search_app: SearchApp, text: str) -> None:
    await serve(search_app)
    assert item_names((await suggest(search_app, text))["specialties"])[0] == "Dermatology"


async def test_visit_reasons_and_plans_by_prefix(search_app: SearchApp) -> None:
    await serve(search_app)
    assert "Annual Physical" in item_names((await suggest(search_app, "annual phys"))["visit_reasons"])
    assert item_names((await suggest(search_app, "silv"))["plans"]) == ["Silver PPO"]
    assert item_names((await suggest(search_app, "acme silvr"))["plans"]) == ["Silver PPO"]
    assert item_names((await suggest(search_app, "12345ny"))["plans"]) == ["Silver PPO"]


async def test_number_of_suggestions_is_limited(search_app: SearchApp) -> None:
    await search_app.serve([make_card(number) for number in range(40)])
    answer = await suggest(search_app, "lovelace", limit=3)
    assert len(answer["providers"]) == 3
    assert len((await suggest(search_app, "pe", limit=2))["specialties"]) == 2


async def test_text_without_words_suggests_nothing(search_app: SearchApp) -> None:
    await serve(search_app)
    assert not any((await suggest(search_app, "?!")).values())


async def test_invalid_requests_and_missing_read_model(search_app: SearchApp) -> None:
    assert (await search_app.http.get("/v1/suggest")).status_code == 422
    assert (await search_app.http.get("/v1/suggest", params={"q": "x" * 301})).status_code == 422
    response = await search_app.http.get("/v1/suggest", params={"q": "smith"})
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
