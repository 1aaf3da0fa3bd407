"""Searches over HTTP."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from millrace_feeds.testing import wait_until
from millrace_readmodel import layout
from millrace_readmodel.cards import decode_card, encode_card

from .conftest import SearchApp
from .factories import NEW_YORK, make_card, make_npi

NORTH_MILE = 1 / 69.09


def result_npis(answer: dict[str, Any]) -> list[str]:
    return [result["provider"]["npi"] for result in answer["results"]]


def make_npis(*numbers: int) -> list[str]:
    return [make_npi(number) for number in numbers]


def offset_of(field: str) -> int:
    """Return the offset in bytes of a field in a row of a partition."""
    assert layout.ROW.fields is not None
    return layout.ROW.fields[field][1]


async def wait_for_results(search_app: SearchApp, *numbers: int, **parameters: Any) -> None:
    """Wait until the search returns exactly the providers with these serial numbers, in order."""

    async def has_results() -> bool:
        place = {"near": "10001"} | ({} if "name" in parameters else {"specialty": "dermatology"})
        response = await search_app.http.get("/v1/search", params=place | parameters)
        return response.status_code == 200 and result_npis(response.json()) == make_npis(*numbers)

    await wait_until(has_results)


async def test_result_contains_the_whole_card(search_app: SearchApp) -> None:
    plan = b"\1" + 7 * b"\0" + b'{"id": "P1", "name": "Silver PPO", "issuer": "Acme"}'
    await search_app.redis.hset(layout.plans_key(1), "P1", plan)
    await search_app.redis.hset(layout.AS_OF_KEY, mapping={"a": "1700000000.5", "b": "1600000000"})
    maria = make_card(
        1,
        name="María O'Connell-Ruiz, MD",
        sex="F",
        languages=("en", "es"),
        plans=("P1", "P2"),
        new_patients=True,
        rating=4.7,
        reviews=132,
        practice_id="practice-1",
        practice_name="Midtown Skin Care",
        phone="+12125550100",
    )
    await search_app.serve([maria])
    answer = await search_app.search(near="40.7506,-73.9972", plan="P1")
    assert answer["results"] == [
        {
            "id": maria.id,
            "provider": {
                "npi": maria.npi,
                "name": "María O'Connell-Ruiz, MD",
                "sex": "F",
                "specialty": {"slug": "dermatology", "name": "Dermatology"},
                "taxonomy": "207N00000X",
            },
            "location": {
                "address": {"line1": "350 5th Ave", "line2": None, "city": "New York", "state": "NY", "zip": "10118"},
                "position": {"lat": 40.7506, "lon": -73.9972},
                "time_zone": "America/New_York",
                "phone": "+12125550100",
                "practice": {"id": "practice-1", "name": "Midtown Skin Care"},
            },
            "rating": 4.7,
            "reviews": 132,
            "languages": ["en", "es"],
            "new_patients": True,
            "openings": None,
            "distance_mi": 0.0,
            "accepted_plan": {"id": "P1", "name": "Silver PPO", "issuer": "Acme"},
        }
    ]
    assert (answer["total"], answer["next"]) == (1, None)
    assert answer["facets"] == {
        "specialty": {"dermatology": 1},
        "language": {"en": 1, "es": 1},
        "sex": {"F": 1},
        "new_patients": {"true": 1},
        "min_rating": {"3.0": 1, "3.5": 1, "4.0": 1, "4.5": 1},
    }

    async def has_as_of() -> bool:
        return bool((await search_app.search())["as_of"] == "2020-09-13T12:26:40.000Z")

    await wait_until(has_as_of)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"radius_mi": 5}, [1, 2, 3]),
        ({"plan": "P1"}, [1, 4]),
        ({"language": "es"}, [2, 3]),
        ({"language": "Spanish"}, [2, 3]),
        ({"sex": "F"}, [1, 2]),
        ({"min_rating": 4}, [2]),
        ({"new_patients": "true"}, [1]),
        ({"new_patients": "false"}, [2]),
        ({"sex": "F", "language": "es", "plan": "P2"}, [2]),
        ({"sex": "X"}, []),
    ],
)
async def test_filters(search_app: SearchApp, parameters: dict[str, Any], expected: list[int]) -> None:
    lat, lon = NEW_YORK
    await search_app.serve(
        [
            make_card(1, sex="F", plans=("P1",), new_patients=True),
            make_card(2, sex="F", plans=("P2",), languages=("en", "es"), rating=4.5, reviews=3, new_patients=False),
            make_card(3, sex="M", languages=("es",), rating=3.9, reviews=80),
            make_card(4, plans=("P1", "P2"), lat=lat + 9 * NORTH_MILE),
            make_card(5, specialty="family-medicine"),
            make_card(6, lat=lat + 11 * NORTH_MILE),
        ]
    )
    answer = await search_app.search(near=f"{lat},{lon}", **parameters)
    assert sorted(result_npis(answer)) == make_npis(*expected)
    assert answer["total"] == len(expected)


async def test_sort_orders(search_app: SearchApp) -> None:
    lat, lon = NEW_YORK
    await search_app.serve(
        [
            make_card(1, lat=lat + 0.2 * NORTH_MILE, rating=3.0, reviews=50, new_patients=False),
            make_card(2, lat=lat + 1 * NORTH_MILE, rating=4.9, reviews=200, new_patients=True),
            make_card(3, lat=lat + 8 * NORTH_MILE, rating=5.0, reviews=1),
        ]
    )
    near = f"{lat},{lon}"
    assert result_npis(await search_app.search(near=near, sort="distance")) == make_npis(1, 2, 3)
    assert result_npis(await search_app.search(near=near, sort="rating")) == make_npis(3, 2, 1)
    assert result_npis(await search_app.search(near=near)) == make_npis(2, 1, 3)


async def test_visit_reason_searches_its_specialties(search_app: SearchApp) -> None:
    await search_app.serve(
        [make_card(1, specialty="family-medicine"), make_card(2, specialty="internal-medicine"), make_card(3)]
    )
    answer = await search_app.search(specialty=None, visit_reason="annual-physical")
    assert sorted(result_npis(answer)) == make_npis(1, 2)
    assert answer["facets"]["specialty"] == {"family-medicine": 1, "internal-medicine": 1}
    assert result_npis(
        await search_app.search(specialty="internal-medicine", visit_reason="annual-physical")
    ) == make_npis(2)


async def test_taxonomy_code_selects_its_specialty(search_app: SearchApp) -> None:
    await search_app.serve([make_card(1)])
    assert result_npis(await search_app.search(specialty="207N00000X")) == make_npis(1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lovelace", [1, 2]),
        ("LOVE ada", [1]),
        ("ibanez", [3]),
        ("Ibáñez", [3]),
        ("g h", [4]),
        ("hopper lovelace", []),
        ("nobody", []),
    ],
)
@pytest.mark.parametrize("specialty", [None, "dermatology"])
async def test_name_matches_word_prefixes(
    search_app: SearchApp, name: str, expected: list[int], specialty: str | None
) -> None:
    names = ("Ada Lovelace", "Anne Lovelace-King", "Zoë Ibáñez", "Grace Hopper")
    cards = [make_card(number, name=each) for number, each in enumerate(names, 1)]
    far = make_card(9, name="Ada Lovelace", lat=34.05, lon=-118.24)
    await search_app.serve([*cards, far])
    assert sorted(result_npis(await search_app.search(name=name, specialty=specialty))) == make_npis(*expected)


NAMES = (
    "Lia D'Angelo",
    "Mia D’Angelo",
    "Nia D Angelo",
    "Owen Mac Arthur",
    "Pia van der Berg",
    "Quinn Lee-Chan",
    "Ray Lee",
)


@pytest.mark.parametrize("specialty", [None, "dermatology"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("D'Angelo", [1, 2, 3]),
        ("D’Angelo", [1, 2, 3]),
        ("D Angelo", [1, 2, 3]),
        ("Dangelo", [1, 2, 3]),
        ("dangelo nia", [3]),
        ("Nia Dangelo", [3]),
        ("MacArthur", [4]),
        ("Mac Arthur", [4]),
        ("Vanderberg", [5]),
        ("Vander Berg, Pia", [5]),
        ("van", [5]),
        ("Lee Chan", [6]),
        ("leechan", [6]),
        ("Prof. Lee", [6, 7]),
        ("Lee, DO", [6, 7]),
        ("lee do", [6, 7]),
        ("Dr. Ray Lee, MD, PhD", [7]),
    ],
)
async def test_name_matches_however_it_is_written(
    search_app: SearchApp, name: str, expected: list[int], specialty: str | None
) -> None:
    await search_app.serve([make_card(number, name=each) for number, each in enumerate(NAMES, 1)])
    assert sorted(result_npis(await search_app.search(name=name, specialty=specialty))) == make_npis(*expected)


async def test_word_counts_as_a_name_if_it_is_one_in_the_circle(search_app: SearchApp) -> None:
    far = {"lat": 34.05, "lon": -118.24}
    cards = [make_card(1, name="Anna Do"), make_card(2, name="Anna Lee, DO"), make_card(3, name="Kim Lee")]
    await search_app.serve([*cards, make_card(4, name="Do Lee", **far)])
    assert result_npis(await search_app.search(name="anna do")) == make_npis(1)
    assert sorted(result_npis(await search_app.search(name="lee do"))) == make_npis(2, 3)


async def test_name_is_searched_in_all_specialties(search_app: SearchApp) -> None:
    await search_app.serve(
        [make_card(1, name="Ada King", specialty="urology"), make_card(2, name="Ada King"), make_card(3)]
    )
    answer = await search_app.search(name="king")
    assert sorted(result_npis(answer)) == make_npis(1, 2)
    assert answer["facets"]["specialty"] == {"dermatology": 1, "urology": 1}


async def test_cursor_pages_through_all_results(search_app: SearchApp) -> None:
    await search_app.serve([make_card(number) for number in range(1, 26)])
    pages = [await search_app.search(limit=10)]
    while pages[-1]["next"]:
        pages.append(await search_app.search(limit=10, cursor=pages[-1]["next"]))
    assert [len(page["results"]) for page in pages] == [10, 10, 5]
    assert sorted(each for page in pages for each in result_npis(page)) == make_npis(*range(1, 26))
    assert {page["total"] for page in pages} == {25}


async def test_place_outside_the_country_has_no_results(search_app: SearchApp) -> None:
    await search_app.serve([make_card(1)])
    for near in ("52.52,13.40", "-89.9,0", "0,180"):
        answer = await search_app.search(near=near, radius_mi=100)
        assert (answer["results"], answer["total"], answer["next"]) == ([], 0, None)


@pytest.mark.parametrize(
    ("parameters", "field", "hint"),
    [
        ({}, "specialty", "visit_reason"),
        ({"specialty": "dermatolgy"}, "specialty", "dermatology"),
        ({"specialty": "Skin Doctor"}, "specialty", "dermatology"),
        ({"visit_reason": "anual physical"}, "visit_reason", "annual-physical"),
        ({"specialty": "dermatology", "visit_reason": "annual-physical"}, "specialty", "family-medicine"),
        ({"specialty": "dermatology", "near": "10000"}, "near", "10001"),
        ({"specialty": "dermatology", "near": "Manhattan"}, "near", "ZIP"),
        ({"specialty": "dermatology", "near": "91,0"}, "near", "ZIP"),
        ({"specialty": "dermatology", "near": "nan,nan"}, "near", "ZIP"),
        ({"specialty": "dermatology", "language": "spansh"}, "language", "es"),
        ({"specialty": "dermatology", "plan": "PLAN2"}, "plan", "PLAN1"),
        ({"specialty": "dermatology", "radius_mi": 101}, "radius_mi", "100"),
        ({"specialty": "dermatology", "limit": 51}, "limit", "50"),
        ({"specialty": "dermatology", "sex": "W"}, "sex", "F"),
        ({"specialty": "dermatology", "min_rating": 6}, "min_rating", "5"),
        ({"specialty": "dermatology", "sort": "price"}, "sort", "distance"),
        ({"specialty": "dermatology", "cursor": "abc"}, "cursor", "next"),
        ({"specialty": "dermatology", "colour": "red"}, "colour", "Remove it"),
        ({"name": "..."}, "name", "name"),
        ({"name": "a b c d e f g h i j k l m n o p q"}, "name", "16 words"),
    ],
)
async def test_invalid_parameters_are_rejected_with_a_remedy(
    search_app: SearchApp, parameters: dict[str, Any], field: str, hint: str
) -> None:
    plan = b"\1" + 7 * b"\0" + b'{"id": "PLAN1", "name": "Silver"}'
    await search_app.redis.hset(layout.plans_key(1), "PLAN1", plan)
    await search_app.serve([make_card(1)])
    error = await search_app.search_error(**parameters)
    assert error["field"] == field
    assert hint in error["remedy"]


async def test_cursor_of_another_search_is_rejected(search_app: SearchApp) -> None:
    await search_app.serve([make_card(number) for number in range(1, 5)])
    cursor = (await search_app.search(limit=2))["next"]
    error = await search_app.search_error(specialty="dermatology", limit=2, cursor=cursor, sex="F")
    assert error["field"] == "cursor"


async def test_prefix_of_too_many_words_is_rejected(search_app: SearchApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_search.find.names.MAX_WORDS", 3)
    await search_app.serve([make_card(number) for number in range(1, 6)])
    assert sorted(result_npis(await search_app.search(name="love lovelace3"))) == make_npis(3)
    error = await search_app.search_error(name="love")
    assert (error["field"], error["remedy"]) == ("name", "Give more letters of the name.")


async def test_missing_read_model_returns_503(search_app: SearchApp) -> None:
    response = await search_app.http.get("/v1/search", params={"near": "10001", "specialty": "dermatology"})
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    await search_app.serve([make_card(1)])
    assert result_npis(await search_app.search()) == make_npis(1)
    await search_app.redis.flushall()
    await wait_until(lambda: search_app.is_reading(None))
    response = await search_app.http.get("/v1/search", params={"near": "10001", "specialty": "dermatology"})
    assert response.status_code == 503


async def test_change_is_visible_immediately(search_app: SearchApp) -> None:
    await search_app.serve([make_card(1)])
    assert result_npis(await search_app.search(sex="F")) == []
    (partition,) = [key.decode() async for key in search_app.redis.scan_iter("1:p:*")]
    await search_app.redis.setrange(partition, offset_of("sex"), "\1")
    await wait_for_results(search_app, 1, sex="F")


async def search_stats(search_app: SearchApp) -> dict[str, int]:
    status: dict[str, dict[str, int]] = (await search_app.http.get("/internal/search/status")).json()
    return status["searches"]


async def test_row_without_matching_card_is_omitted_and_counted(search_app: SearchApp) -> None:
    cards = [make_card(number) for number in range(1, 5)]
    await search_app.serve(cards)
    keys = [layout.card_key(1, layout.row_id(each.id)) for each in cards]
    values = [await search_app.get_value(key) for key in keys[1:]]
    await search_app.redis.delete(keys[0])
    # The second card has another version, the third belongs to another partition.
    first, second, _ = map(decode_card, values)
    assert first is not None
    assert second is not None
    newer = msgspec.structs.replace(first, version=2)
    moved = msgspec.structs.replace(second, lat=34.05, lon=-118.24)
    await search_app.redis.mset({keys[1]: encode_card(newer), keys[2]: encode_card(moved)})
    await wait_for_results(search_app, 4)
    assert (await search_stats(search_app))["left_out"] >= 3


@pytest.mark.parametrize(("year", "expected"), [(2025, [1, 2]), (2026, [1, 3]), (2027, [1, 3]), (2028, [1])])
async def test_plan_is_found_in_the_years_of_its_acceptance(
    search_app: SearchApp, year: int, expected: list[int]
) -> None:
    await search_app.serve(
        [make_card(1, plans=("P1",)), make_card(2, plans=("P1:2025",)), make_card(3, plans=("P1:2026", "P1:2027"))]
    )
    search_app.set_time(datetime(year, 7, 1, tzinfo=UTC))
    assert sorted(result_npis(await search_app.search(plan="P1"))) == make_npis(*expected)


async def test_new_plan_sets_are_read_on_demand(search_app: SearchApp) -> None:
    await search_app.serve([make_card(1, plans=("P1",))])
    assert result_npis(await search_app.search(plan="P1")) == make_npis(1)
    await search_app.redis.rpush(layout.plan_sets_key(1), "P1 P2")
    (partition,) = [key async for key in search_app.redis.scan_iter("1:p:*")]
    await search_app.redis.setrange(partition, offset_of("plan_set"), (2).to_bytes(4, "little"))
    await wait_for_results(search_app, 1, plan="P2")


async def test_new_name_is_found(search_app: SearchApp) -> None:
    await search_app.serve([make_card(1, name="Ada Lovelace")])
    entry = await search_app.get_value(layout.name_key(1, "lovelace"))
    await search_app.redis.set(layout.name_key(1, "byron"), entry)
    assert result_npis(await search_app.search(name="byron")) == make_npis(1)  # a complete word needs no vocabulary
    await search_app.redis.sadd(layout.words_key(1), "byron")
    await wait_for_results(search_app, 1, name="byr")


async def test_status_contains_generation_and_caches(search_app: SearchApp) -> None:
    await search_app.redis.hset(layout.AS_OF_KEY, "shard", str(time.time()))
    await search_app.serve([make_card(1)])
    await search_app.search()
    status = (await search_app.http.get("/internal/search/status")).json()
    assert status["generation"] == 1
    assert status["caches"]["cards"]["entries"] == 1
    assert status["searches"]["searches"] == 1


async def test_api_description_is_complete(search_app: SearchApp) -> None:
    description = (await search_app.http.get("/openapi.json")).json()
    search = description["paths"]["/v1/search"]["get"]
    parameters = {parameter["name"]: parameter for parameter in search["parameters"]}
    assert {"near", "specialty", "visit_reason", "plan", "sort", "cursor"} <= parameters.keys()
    assert all(parameter["description"] for parameter in parameters.values())
    assert search["responses"]["200"]["content"]["application/json"]["example"]["results"]
    assert {"422", "503"} <= search["responses"].keys()
