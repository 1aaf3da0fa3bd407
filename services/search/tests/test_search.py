"""Searches over HTTP."""

import time
from typing import Any

import msgspec
import pytest

from millrace_feeds.testing import wait_until
from millrace_readmodel import layout
from millrace_readmodel.cards import decode_card, encode_card

from .conftest import Site
from .factories import NEW_YORK, card, npi

NORTH_MILE = 1 / 69.09


def found(answer: dict[str, Any]) -> list[str]:
    return [result["provider"]["npi"] for result in answer["results"]]


def npis(*numbers: int) -> list[str]:
    return [npi(number) for number in numbers]


def offset_of(field: str) -> int:
    """Where a field stands in a row."""
    assert layout.ROW.fields is not None
    return layout.ROW.fields[field][1]


async def test_a_card_shows_all_that_is_known_of_a_provider_location(site: Site) -> None:
    plan = b"\1" + 7 * b"\0" + b'{"id": "P1", "name": "Silver PPO", "issuer": "Acme"}'
    await site.redis.hset(layout.plans_key(1), "P1", plan)
    await site.redis.hset(layout.AS_OF_KEY, mapping={"a": "1700000000.5", "b": "1600000000"})
    maria = card(
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
    await site.serve([maria])
    answer = await site.search(near="40.7506,-73.9972", plan="P1")
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

    async def dated() -> bool:
        return bool((await site.search())["as_of"] == "2020-09-13T12:26:40.000Z")

    await wait_until(dated)


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
async def test_filters_narrow(site: Site, parameters: dict[str, Any], expected: list[int]) -> None:
    lat, lon = NEW_YORK
    await site.serve(
        [
            card(1, sex="F", plans=("P1",), new_patients=True),
            card(2, sex="F", plans=("P2",), languages=("en", "es"), rating=4.5, reviews=3, new_patients=False),
            card(3, sex="M", languages=("es",), rating=3.9, reviews=80),
            card(4, plans=("P1", "P2"), lat=lat + 9 * NORTH_MILE),
            card(5, specialty="family-medicine"),
            card(6, lat=lat + 11 * NORTH_MILE),
        ]
    )
    answer = await site.search(near=f"{lat},{lon}", **parameters)
    assert sorted(found(answer)) == npis(*expected)
    assert answer["total"] == len(expected)


async def test_results_come_in_the_asked_order(site: Site) -> None:
    lat, lon = NEW_YORK
    await site.serve(
        [
            card(1, lat=lat + 0.2 * NORTH_MILE, rating=3.0, reviews=50, new_patients=False),
            card(2, lat=lat + 1 * NORTH_MILE, rating=4.9, reviews=200, new_patients=True),
            card(3, lat=lat + 8 * NORTH_MILE, rating=5.0, reviews=1),
        ]
    )
    near = f"{lat},{lon}"
    assert found(await site.search(near=near, sort="distance")) == npis(1, 2, 3)
    assert found(await site.search(near=near, sort="rating")) == npis(3, 2, 1)
    assert found(await site.search(near=near)) == npis(2, 1, 3)


async def test_a_visit_reason_searches_the_specialties_for_it(site: Site) -> None:
    await site.serve([card(1, specialty="family-medicine"), card(2, specialty="internal-medicine"), card(3)])
    answer = await site.search(specialty=None, visit_reason="annual-physical")
    assert sorted(found(answer)) == npis(1, 2)
    assert answer["facets"]["specialty"] == {"family-medicine": 1, "internal-medicine": 1}
    assert found(await site.search(specialty="internal-medicine", visit_reason="annual-physical")) == npis(2)


async def test_a_taxonomy_code_stands_for_its_specialty(site: Site) -> None:
    await site.serve([card(1)])
    assert found(await site.search(specialty="207N00000X")) == npis(1)


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
async def test_each_word_of_a_name_begins_a_word(
    site: Site, name: str, expected: list[int], specialty: str | None
) -> None:
    names = ("Ada Lovelace", "Anne Lovelace-King", "Zoë Ibáñez", "Grace Hopper")
    cards = [card(number, name=each) for number, each in enumerate(names, 1)]
    far = card(9, name="Ada Lovelace", lat=34.05, lon=-118.24)
    await site.serve([*cards, far])
    assert sorted(found(await site.search(name=name, specialty=specialty))) == npis(*expected)


async def test_a_name_is_looked_for_in_all_specialties(site: Site) -> None:
    await site.serve([card(1, name="Ada King", specialty="urology"), card(2, name="Ada King"), card(3)])
    answer = await site.search(name="king")
    assert sorted(found(answer)) == npis(1, 2)
    assert answer["facets"]["specialty"] == {"dermatology": 1, "urology": 1}


async def test_pages_follow_the_cursor(site: Site) -> None:
    await site.serve([card(number) for number in range(1, 26)])
    pages = [await site.search(limit=10)]
    while pages[-1]["next"]:
        pages.append(await site.search(limit=10, cursor=pages[-1]["next"]))
    assert [len(page["results"]) for page in pages] == [10, 10, 5]
    assert sorted(each for page in pages for each in found(page)) == npis(*range(1, 26))
    assert {page["total"] for page in pages} == {25}


async def test_a_place_outside_the_country_has_no_results(site: Site) -> None:
    await site.serve([card(1)])
    for near in ("52.52,13.40", "-89.9,0", "0,180"):
        answer = await site.search(near=near, radius_mi=100)
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
        ({"specialty": "dermatology", "colour": "red"}, "colour", "Leave it out"),
        ({"name": "..."}, "name", "name"),
        ({"name": "a b c d e f g"}, "name", "6"),
    ],
)
async def test_what_has_no_meaning_is_refused_with_a_remedy(
    site: Site, parameters: dict[str, Any], field: str, hint: str
) -> None:
    plan = b"\1" + 7 * b"\0" + b'{"id": "PLAN1", "name": "Silver"}'
    await site.redis.hset(layout.plans_key(1), "PLAN1", plan)
    await site.serve([card(1)])
    error = await site.refusal(**parameters)
    assert error["field"] == field
    assert hint in error["remedy"]


async def test_a_cursor_is_for_its_search_only(site: Site) -> None:
    await site.serve([card(number) for number in range(1, 5)])
    cursor = (await site.search(limit=2))["next"]
    error = await site.refusal(specialty="dermatology", limit=2, cursor=cursor, sex="F")
    assert error["field"] == "cursor"


async def test_a_beginning_that_too_many_share_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_search.find.names.MAX_WORDS", 3)
    await site.serve([card(number) for number in range(1, 6)])
    error = await site.refusal(name="love")
    assert (error["field"], error["remedy"]) == ("name", "Give more letters of the name.")


async def test_without_a_read_model_the_answer_is_to_come_back_later(site: Site) -> None:
    response = await site.http.get("/v1/search", params={"near": "10001", "specialty": "dermatology"})
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    await site.serve([card(1)])
    assert found(await site.search()) == npis(1)
    await site.redis.flushall()
    await wait_until(lambda: site.reads(None))
    response = await site.http.get("/v1/search", params={"near": "10001", "specialty": "dermatology"})
    assert response.status_code == 503


async def test_a_change_is_seen_at_once(site: Site) -> None:
    await site.serve([card(1)])
    assert found(await site.search(sex="F")) == []
    (partition,) = [key.decode() async for key in site.redis.scan_iter("1:p:*")]
    offset = offset_of("sex")
    await site.redis.setrange(partition, offset, "\1")

    async def seen() -> bool:
        return found(await site.search(sex="F")) == npis(1)

    await wait_until(seen)


async def figures(site: Site) -> dict[str, int]:
    status: dict[str, dict[str, int]] = (await site.http.get("/internal/search/status")).json()
    return status["searches"]


async def test_a_row_without_a_fitting_card_is_left_out_and_counted(site: Site) -> None:
    cards = [card(number) for number in range(1, 5)]
    await site.serve(cards)
    keys = [layout.card_key(1, layout.row_id(each.id)) for each in cards]
    values = [await site.value(key) for key in keys[1:]]
    await site.redis.delete(keys[0])
    # The second one's card is of another version, the third one's lies elsewhere.

    first, second, _ = map(decode_card, values)
    assert first is not None
    assert second is not None
    newer = msgspec.structs.replace(first, version=2)
    moved = msgspec.structs.replace(second, lat=34.05, lon=-118.24)
    await site.redis.mset({keys[1]: encode_card(newer), keys[2]: encode_card(moved)})

    async def settled() -> bool:
        return found(await site.search()) == npis(4)

    await wait_until(settled)
    assert (await figures(site))["left_out"] >= 3


async def test_unknown_plan_sets_are_learnt_when_a_row_names_them(site: Site) -> None:
    await site.serve([card(1, plans=("P1",))])
    assert found(await site.search(plan="P1")) == npis(1)
    await site.redis.rpush(layout.plan_sets_key(1), "P1 P2")
    (partition,) = [key async for key in site.redis.scan_iter("1:p:*")]
    offset = offset_of("plan_set")
    await site.redis.setrange(partition, offset, (2).to_bytes(4, "little"))

    async def seen() -> bool:
        response = await site.http.get("/v1/search", params={"near": "10001", "specialty": "dermatology", "plan": "P2"})
        return response.status_code == 200 and found(response.json()) == npis(1)

    await wait_until(seen)


async def test_a_new_name_is_found(site: Site) -> None:
    await site.serve([card(1, name="Ada Lovelace")])
    entry = await site.value(layout.name_key(1, "lovelace"))
    await site.redis.set(layout.name_key(1, "byron"), entry)
    assert found(await site.search(name="byron")) == npis(1)  # whole, it needs no vocabulary
    await site.redis.sadd(layout.words_key(1), "byron")

    async def completed() -> bool:
        return found(await site.search(name="byr")) == npis(1)

    await wait_until(completed)


async def test_the_status_tells_what_is_held(site: Site) -> None:
    await site.redis.hset(layout.AS_OF_KEY, "shard", str(time.time()))
    await site.serve([card(1)])
    await site.search()
    status = (await site.http.get("/internal/search/status")).json()
    assert status["generation"] == 1
    assert status["caches"]["cards"]["entries"] == 1
    assert status["searches"]["searches"] == 1


async def test_the_description_of_the_api_is_complete(site: Site) -> None:
    description = (await site.http.get("/openapi.json")).json()
    search = description["paths"]["/v1/search"]["get"]
    named = {parameter["name"]: parameter for parameter in search["parameters"]}
    assert {"near", "specialty", "visit_reason", "plan", "sort", "cursor"} <= named.keys()
    assert all(parameter["description"] for parameter in named.values())
    assert search["responses"]["200"]["content"]["application/json"]["example"]["results"]
    assert {"422", "503"} <= search["responses"].keys()
