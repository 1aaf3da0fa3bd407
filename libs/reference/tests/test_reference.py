"""The reference data is complete and consistent, and lookups accept names that people use."""

import csv
import math
from collections import Counter
from pathlib import Path

import pytest

from millrace_reference.languages import all_languages, find_language, find_language_by_name
from millrace_reference.npi import is_valid_npi, npi_check_digit
from millrace_reference.places import all_places, find_nearest_zips, find_place
from millrace_reference.specialties import (
    all_specialties,
    all_taxonomies,
    find_specialty,
    find_specialty_by_ordinal,
    find_specialty_by_taxonomy,
    find_taxonomy,
    taxonomy_name,
)
from millrace_reference.text import find_closest, fold, split_words
from millrace_reference.visit_reasons import all_visit_reasons, find_visit_reason


def read_hospitals() -> list[dict[str, str]]:
    """Return hospitals with ZIP code, position (to about a mile) and time zone, from sources of their own."""
    with Path(__file__).with_name("hospitals.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_taxonomy_code_has_one_specialty() -> None:
    codes = [code for each in all_specialties() for code in each.taxonomies]
    assert len(codes) == len(set(codes)) == 845
    assert sorted(codes) == list(all_taxonomies())
    assert all(taxonomy_name(code) for code in codes)


def test_specialties_are_found_by_slug_ordinal_and_code() -> None:
    for each in all_specialties():
        assert find_specialty(each.slug) is each
        assert find_specialty_by_ordinal(each.ordinal) is each
        assert 0 < each.ordinal < 65_536
    found = find_specialty_by_taxonomy("207N00000X")
    assert found is not None
    assert (found.slug, found.listed) == ("dermatology", True)
    assert find_specialty_by_taxonomy("999Z99999X") is None


@pytest.mark.parametrize(
    ("code", "slug"),
    [
        ("207RC0000X", "cardiology"),
        ("1223G0001X", "dentist"),
        ("1223X0400X", "orthodontist"),
        ("2084P0800X", "psychiatry"),
        ("2084N0400X", "neurology"),
        ("363LF0000X", "family-nurse-practitioner"),
        ("171100000X", "acupuncture"),
        ("103TC0700X", "psychology"),
        ("344600000X", "taxi"),
    ],
)
def test_taxonomy_to_specialty(code: str, slug: str) -> None:
    found = find_specialty_by_taxonomy(code)
    assert found is not None
    assert found.slug == slug


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("207N00000X", "207N00000X"),
        ("DERMATOLOGY", "207N00000X"),
        ("Internal Medicine: Cardiovascular Disease", "207RC0000X"),
        ("Oncology", "207RX0202X"),
        ("Orthodontics", "1223X0400X"),
        ("Wizardry", None),
    ],
)
def test_taxonomy_by_name(text: str, code: str | None) -> None:
    assert find_taxonomy(text) == code


def test_ordinals_of_specialties_are_stable() -> None:
    specialties = map(find_specialty, ("family-medicine", "dermatology", "pharmacist"))
    assert [each.ordinal for each in specialties if each] == [1, 31, 143]


def test_visit_reasons_have_listed_specialties() -> None:
    reasons = all_visit_reasons()
    assert len({reason.slug for reason in reasons}) == len(reasons) >= 120
    for reason in reasons:
        assert reason.specialties
        for slug in reason.specialties:
            found = find_specialty(slug)
            assert found is not None
            assert found.listed
    assert find_visit_reason("acne") is not None
    assert find_visit_reason("no-such-reason") is None


def test_language_ordinals_are_below_32() -> None:
    assert [each.ordinal for each in all_languages()] == list(range(len(all_languages())))
    assert len(all_languages()) <= 32
    assert find_language("es") == find_language_by_name("SPANISH") == find_language_by_name("es")
    assert find_language_by_name("Mandarin") == find_language("zh")
    assert find_language_by_name("Klingon") is None


def test_places() -> None:
    place = find_place("10032")
    assert place is not None
    assert (place.city, place.state, place.time_zone) == ("New York", "NY", "America/New_York")
    assert (place.lat, place.lon) == (40.8382, -73.942)
    assert find_place("09001") is None  # military
    assert len(all_places()) > 41_000
    assert all(each.time_zone.partition("/")[0] in {"America", "Pacific"} for each in all_places().values())
    # No position is missing, and few ZIP codes share one: a city's ZIP codes aren't all at its center.
    positions = Counter((each.lat, each.lon) for each in all_places().values())
    assert (0.0, 0.0) not in positions
    assert sum(count for count in positions.values() if count > 1) < 2_000


@pytest.mark.parametrize("hospital", read_hospitals(), ids=lambda hospital: hospital["hospital"])
def test_hospitals_are_within_three_miles(hospital: dict[str, str]) -> None:
    place = find_place(hospital["zip"])
    assert place is not None
    north = 69.1 * (place.lat - float(hospital["lat"]))
    east = 69.1 * (place.lon - float(hospital["lon"])) * math.cos(math.radians(place.lat))
    assert math.hypot(north, east) <= 3.0
    assert place.time_zone == hospital["time_zone"]


@pytest.mark.parametrize(
    ("zip5", "time_zone"),
    [
        ("89883", "America/Denver"),  # West Wendover is the only town of Nevada in Mountain time
        ("83522", "America/Los_Angeles"),  # northern Idaho is in Pacific time
        ("86045", "America/Denver"),  # the Navajo Nation has daylight saving time, the rest of Arizona has none
        ("36867", "America/New_York"),  # Phenix City, Alabama, uses the time of Columbus, Georgia
        ("99634", "America/Anchorage"),
    ],
)
def test_time_zone_of_town(zip5: str, time_zone: str) -> None:
    place = find_place(zip5)
    assert place is not None
    assert place.time_zone == time_zone


@pytest.mark.parametrize(("text", "expected"), [("10023x", "10023"), ("01003", "01003"), ("1003", "10030"), ("", None)])
def test_nearest_zips(text: str, expected: str | None) -> None:
    found = find_nearest_zips(text)
    assert len(found) <= 3
    assert (found[0] if found else None) == expected


def test_nearest_zips_are_known_places() -> None:
    assert find_place("10032") is not None
    assert find_place("10099") is None or "10099" in find_nearest_zips("10099")
    assert all(find_place(candidate) is not None for candidate in find_nearest_zips("10532"))


def test_npi_check_digit() -> None:
    assert npi_check_digit("123456789") == 3  # the example of the CMS document
    assert is_valid_npi("1234567893")
    assert not any(
        is_valid_npi(text) for text in ("1234567892", "123456789", "3234567899", "12345678９3", "", "12345678x3")
    )


def test_fold_and_words() -> None:
    assert fold("O'Connell-Ruíz") == fold("o’connell  RUIZ") == "oconnell ruiz"
    assert fold("D´Angelo") == fold("D‘Angelo") == fold("D\u00adAngelo") == "dangelo"
    assert split_words("Dr. Łukasz Straße") == ("dr", "lukasz", "strasse")
    assert fold("M.D.") == "md"


def test_closest() -> None:
    slugs = [each.slug for each in all_specialties()]
    assert find_closest("dermatolgy", slugs)[0] == "dermatology"
    assert find_closest("zzzzzzzz", slugs) == ()
