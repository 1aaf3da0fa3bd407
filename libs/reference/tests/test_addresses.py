"""Normalization of addresses: which spellings have one location id."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_reference.addresses import location_id, normalize_address
from millrace_reference.tables import read_rows

WORDS = [row for row in read_rows("address_words.csv") if row["kind"] in {"direction", "street", "word"}]
NAMES = ("COLFAX", "MAPLE", "O'HARE", "LAKE SHORE", "MARTIN LUTHER KING JR")


def key(line1: str, line2: str | None = None, *, city: str = "Denver", state: str = "CO", zip5: str = "80202") -> str:
    return location_id(line1=line1, line2=line2, city=city, state=state, zip5=zip5)


@pytest.mark.parametrize(
    "spellings",
    [
        ["1600 W COLFAX AVE.", "1600 W COLFAX AVE", "1600 West Colfax Avenue", "1600 w. colfax  av"],
        ["9 SECOND ST", "9 2ND ST", "9 2 Street"],
        ["ONE HOSPITAL DR", "1 Hospital Drive"],
        ["2 N.E. 5TH ST", "2 NE 5TH ST", "2 Northeast Fifth Street", "2 North East 5th St"],
        ["4500 ST CHARLES AVE", "4500 St. Charles Avenue", "4500 SAINT CHARLES AVE"],
        ["US HWY 27 N", "U.S. Highway 27 North", "US 27 N"],
        ["7 COUNTY ROAD 12", "7 CR 12", "7 Co. Rd. 12"],
        ["PO BOX 12", "P.O. BOX 12", "P O Box 12"],
        ["12 O'HARE PLZ", "12 OHARE PLAZA", "12 O’Hare Plaza"],
        ["12 Peña Blvd", "12 PENA BLVD"],
        ["MEDICAL ARTS BUILDING 300 MAIN ST", "Medical Arts Bldg., 300 Main Street"],
    ],
)
def test_spellings_of_an_address_are_one_location(spellings: list[str]) -> None:
    assert len({key(each) for each in spellings}) == 1


@pytest.mark.parametrize(
    "spellings",
    [
        [("30 E 60TH ST STE 1201", None), ("30 E 60TH ST", "Suite 1201"), ("Ste. 1201", "30 E 60th St"),
         ("30 E 60TH ST #1201", None), ("30 E 60TH ST", "# 1201"), ("30 E 60TH ST STE1201", ""),
         ("30 E 60th St, Suite #1201", None), ("30 E 60TH ST", "UNIT NO. 1201")],
        [("12 MAIN ST", "2ND FLOOR"), ("12 MAIN ST FL 2", None), ("12 Main Street, Second Fl.", None)],
        [("12 MAIN ST STE 100A", None), ("12 MAIN ST", "STE 100-A"), ("12 MAIN ST", "Suite 100 A")],
        [("12 MAIN ST", "BLDG C STE 4"), ("12 MAIN ST STE 4", "Building C")],
    ],
)  # fmt: skip
def test_units_may_be_in_either_line(spellings: list[tuple[str, str | None]]) -> None:
    assert len({key(*each) for each in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("100 N MAIN ST", "100 S MAIN ST"),
        ("100 MAIN ST", "100 MAIN AVE"),
        ("100 MAIN ST", "101 MAIN ST"),
        ("100 MAIN ST N", "100 N MAIN ST"),
        ("10-12 MAIN ST", "1012 MAIN ST"),
        ("100 MAIN ST STE 4", "100 MAIN ST STE 5"),
        ("100 MAIN ST STE 4", "100 MAIN ST FL 4"),
        ("100 MAIN ST STE 4", "100 MAIN ST"),
        ("100 MAIN ST BLDG 4", "100 MAIN ST STE 4"),
    ],
)
def test_other_addresses_are_other_locations(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(
    "difference", [{"city": "Aurora"}, {"state": "NM"}, {"zip5": "80203"}], ids=["city", "state", "zip"]
)
def test_city_state_and_zip_code_are_part_of_an_address(difference: dict[str, Any]) -> None:
    assert key("12 MAIN ST") != key("12 MAIN ST", **difference)


@pytest.mark.parametrize(("one", "other"), [("ST. LOUIS", "Saint Louis"), ("FT WORTH", "Fort Worth"),
                                            ("N MIAMI BCH", "NORTH MIAMI BEACH")])  # fmt: skip
def test_spellings_of_a_city_are_one(one: str, other: str) -> None:
    assert key("12 MAIN ST", city=one) == key("12 MAIN ST", city=other)


@given(st.integers(1, 9999), st.sampled_from(NAMES), st.sampled_from(WORDS), st.data())
def test_every_spelling_of_a_word_counts_the_same(number: int, name: str, word: dict[str, str], data: Any) -> None:
    spelling = data.draw(st.sampled_from([*word["spellings"].split("|"), word["standard"]]))
    mark = data.draw(st.sampled_from(["", ".", ",", " "]))
    case = data.draw(st.sampled_from([str.upper, str.lower, str.title]))
    assert key(case(f"{number} {name} {spelling}{mark} STE 4")) == key(f"{number} {name} {word['standard']} STE 4")


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=20))
def test_any_text_has_an_id(line1: str, line2: str, city: str) -> None:
    assert UUID(key(line1, line2, city=city)).version == 5


def test_parts_of_a_normalized_address() -> None:
    found = normalize_address(line1="1600 West Colfax Ave.", line2="Suite 4", city="denver", state="co", zip5="80202")
    assert found == ("1600 W COLFAX AVE", "UNIT 4", "DENVER", "CO", "80202")


def test_no_spelling_has_two_standard_forms() -> None:
    spellings = [each for row in read_rows("address_words.csv") for each in row["spellings"].split("|") if each]
    standards = {row["standard"] for row in read_rows("address_words.csv")}
    assert len(spellings) == len(set(spellings))
    assert standards.isdisjoint(spellings)
