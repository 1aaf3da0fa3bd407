"""Conversion of single rows of an NPPES file."""

import pytest

from millrace_directory.bulk_import.rejects import RejectedRowError
from millrace_directory.nppes.records import (
    NO_PRIMARY,
    TWO_PRIMARY,
    UNKNOWN_SECONDARY,
    UNKNOWN_SEX,
    Deactivation,
    Individual,
    Layout,
    Organization,
    Record,
    is_deactivated,
)
from millrace_reference.nppes import COLUMNS
from services.directory.tests.running import npi

from .support import CARDIOLOGY, COUNTRY, DERMATOLOGY, INTERNAL, Row, address, deactivated, individual, organization

CODE, SWITCH = "Healthcare Provider Taxonomy Code_", "Healthcare Provider Primary Taxonomy Switch_"


def read(row: Row) -> Record:
    return Layout(COLUMNS).read([row.get(column, "") for column in COLUMNS])


def person(row: Row) -> Individual:
    found = read(row)
    assert isinstance(found, Individual)
    return found


def test_individual_is_converted() -> None:
    found = person(individual(1, {"Provider Credential Text": "M.D."}, last=" O'CONNELL-RUIZ "))
    provider = found.provider
    assert (provider.npi, provider.last_name) == (npi(1), "O'CONNELL-RUIZ")
    assert (provider.credential, provider.suffix) == ("M.D.", None)
    assert found.location.zip == "100323724"
    assert found.provider_location.phone == "2123050000"
    assert not found.warnings


def test_second_taxonomy_can_be_primary() -> None:
    row = individual(1, {CODE + "1": INTERNAL, SWITCH + "1": "N", CODE + "2": CARDIOLOGY, SWITCH + "2": "Y"})
    found = person(row)
    assert (found.provider.taxonomy, found.provider_location.taxonomy) == (CARDIOLOGY, CARDIOLOGY)
    assert found.provider.taxonomies == [CARDIOLOGY, INTERNAL]


@pytest.mark.parametrize(
    ("slots", "taxonomy", "warning"),
    [
        ({CODE + "1": CARDIOLOGY, SWITCH + "1": "Y", CODE + "2": INTERNAL, SWITCH + "2": "Y"}, CARDIOLOGY, TWO_PRIMARY),
        ({CODE + "1": CARDIOLOGY, SWITCH + "1": "N", CODE + "2": INTERNAL}, CARDIOLOGY, NO_PRIMARY),
        ({CODE + "1": CARDIOLOGY, SWITCH + "1": "Y", CODE + "2": "999Z99999X"}, CARDIOLOGY, UNKNOWN_SECONDARY),
        ({"Provider Sex Code": "Q"}, DERMATOLOGY, UNKNOWN_SEX),
    ],
)
def test_irregular_codes_cause_warnings(slots: Row, taxonomy: str, warning: str) -> None:
    found = person(individual(1, slots))
    assert found.provider.taxonomy == taxonomy
    assert list(found.warnings) == [warning]
    assert "999Z99999X" not in found.provider.taxonomies


def test_organization_is_converted() -> None:
    found = read(organization(2))
    assert isinstance(found, Organization)
    assert (found.practice.name, found.location.line1) == ("HUDSON DERMATOLOGY", "635 W 165TH ST")


def test_spellings_of_an_address_are_one_location() -> None:
    one = person(individual(1, where=address("635 W 165TH ST", zip_code="100323724")))
    for line1 in ("635 w  165th St", "635 West 165th Street", "635 W. 165 ST."):
        other = person(individual(2, where=address(line1, city="New York", state="ny", zip_code="10032")))
        assert one.location.id == other.location.id


def test_deactivated_row_is_a_deactivation() -> None:
    assert read(deactivated(3)) == Deactivation(npi(3))


@pytest.mark.parametrize(
    ("off", "on", "expected"),
    [
        ("", "", False),
        ("01/05/2020", "", True),
        ("01/05/2020", "03/09/2020", False),
        ("12/05/2021", "03/09/2020", True),
        ("", "03/09/2020", False),
    ],
)
def test_later_reactivation_cancels_a_deactivation(off: str, on: str, expected: bool) -> None:
    assert is_deactivated(off, on) is expected


def test_addresses_in_territories_are_accepted() -> None:
    found = person(individual(1, where=address("1 HOSPITAL DR", "SAN JUAN", "PR", "009350000")))
    assert found.location.state == "PR"
    assert person(individual(1, where=address("1 HOSPITAL DR", "SAN JUAN", "PR", "00935") | {COUNTRY: "PR"}))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (individual(1) | {"NPI": "1000000138"}, "wrong NPI check digit"),
        (individual(1) | {"NPI": ""}, "wrong NPI check digit"),
        (individual(1) | {"Entity Type Code": ""}, "no entity type"),
        (individual(1, where=address(zip_code="H4A3J1") | {COUNTRY: "CA"}), "practice address outside the country"),
        (individual(1, where=address(zip_code="")), "no ZIP code"),
        (individual(1, where=address(zip_code="1003")), "not a ZIP code"),
        (individual(1, where=address(zip_code="09001", state="NY")), "unknown ZIP code"),
        (individual(1, where=address(state="AE")), "unknown state"),
        (individual(1, where=address(line1="<UNAVAIL>")), "no practice address"),
        (individual(1, last=""), "no name"),
        (organization(1, name=""), "no name"),
        (individual(1) | {CODE + "1": ""}, "no taxonomy code"),
        (individual(1) | {CODE + "1": "999Z99999X"}, "unknown taxonomy code"),
        (individual(1, {"Provider Middle Name": "A\x1b[0m"}), "control character"),
        (individual(1, {"Provider Middle Name": "MU\ufffdOZ"}), "replacement character"),
        (individual(1, {"Provider Middle Name": "\ud800"}), "half of a surrogate pair"),
        (individual(1, last="X" * 201), "longer than 200 characters"),
        (individual(1) | {"NPI Deactivation Date": "02/30/2021"}, "not a date"),
        (individual(1) | {"NPI Deactivation Date": "02/14/2021", "NPI Reactivation Date": "soon"}, "not a date"),
    ],
)
def test_unusable_rows_are_rejected(row: Row, reason: str) -> None:
    with pytest.raises(RejectedRowError, match=reason):
        read(row)


def test_columns_can_be_in_any_order() -> None:
    columns = tuple(reversed(COLUMNS))
    row = individual(1)
    found = Layout(columns).read([row.get(column, "") for column in columns])
    assert isinstance(found, Individual)
