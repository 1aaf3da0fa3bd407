"""Normalization of names, addresses, phones and entities."""

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_contracts.entities import (
    Address,
    InsurancePlan,
    Location,
    Position,
    Practice,
    Provider,
    ProviderLocation,
    ReviewSummary,
)
from millrace_reference.casing import (
    normalize_address_line,
    normalize_city_name,
    normalize_organization_name,
    normalize_person_name,
)
from millrace_reference.credentials import normalize_credentials
from millrace_reference.npi import npi_check_digit
from millrace_reference.phones import normalize_phone
from millrace_reference.places import all_places
from millrace_reference.refine import UnrefinableError, normalize_zip_code, refine
from millrace_reference.specialties import all_taxonomies

ADDRESS = Address(line1="635 W 165TH ST", line2="STE 4", city="NEW YORK", state="NY", zip="100323724")
PROVIDER = Provider(
    npi="1000000012", last_name="O'CONNELL-RUIZ", first_name="MARIA", credential="M.D.", sex="F", taxonomy="207N00000X"
)
PROVIDER_LOCATION = ProviderLocation(
    id="a", npi="1000000012", location_id="b", address=ADDRESS, taxonomy="207N00000X", phone="2123050000"
)


@pytest.mark.parametrize(
    ("normalize", "raw", "clean"),
    [
        (normalize_person_name, "O'CONNELL-RUIZ", "O'Connell-Ruiz"),
        (normalize_person_name, "D’ANGELO", "D’Angelo"),
        (normalize_person_name, "O`BRIEN-D‘AMICO", "O`Brien-D‘Amico"),
        (normalize_person_name, "DE LA CRUZ", "de la Cruz"),
        (normalize_person_name, "MCDONALD III", "McDonald III"),
        (normalize_person_name, "MCELROY", "McElroy"),
        (normalize_person_name, "MACDONALD", "MacDonald"),
        (normalize_person_name, "MACK", "Mack"),
        (normalize_person_name, "VAN DER BERG", "van der Berg"),
        (normalize_person_name, "ANNE-SOPHIE", "Anne-Sophie"),
        (normalize_person_name, "J.R.", "J.R."),
        (normalize_person_name, "JR.", "Jr."),
        (normalize_person_name, "GARCÍA", "García"),
        (normalize_person_name, "maria  JOSÉ", "maria JOSÉ"),
        (normalize_person_name, "LA", "La"),
        (normalize_address_line, "635 W 165TH ST", "635 W 165th St"),
        (normalize_address_line, "30 E 60TH ST STE 1201", "30 E 60th St Ste 1201"),
        (normalize_address_line, "200 1ST ST SW", "200 1st St SW"),
        (normalize_address_line, "PO BOX 12", "PO Box 12"),
        (normalize_address_line, "12 MAIN ST, #4B", "12 Main St, #4B"),
        (normalize_address_line, "100 AVENUE OF THE AMERICAS", "100 Avenue of the Americas"),
        (normalize_city_name, "FOND DU LAC", "Fond du Lac"),
        (normalize_city_name, "DE KALB", "De Kalb"),
        (normalize_city_name, "MCALLEN", "McAllen"),
        (normalize_city_name, "COEUR D'ALENE", "Coeur d'Alene"),
        (normalize_city_name, "COEUR D’ALENE", "Coeur d’Alene"),
        (
            normalize_organization_name,
            "HUDSON DERMATOLOGY & LASER CENTER, P.C.",
            "Hudson Dermatology & Laser Center, P.C.",
        ),
        (normalize_organization_name, "WOMEN'S HEALTH OF THE VALLEY, LLC", "Women's Health of the Valley, LLC"),
        (normalize_organization_name, "WOMEN’S HEALTH OF O’FALLON", "Women’s Health of O’Fallon"),
        (normalize_organization_name, "1ST CHOICE ENT PLLC", "1st Choice ENT PLLC"),
        (normalize_credentials, "M.D.", "MD"),
        (normalize_credentials, "MD, PHD", "MD, PhD"),
        (normalize_credentials, "M.D./PH.D", "MD, PhD"),
        (normalize_credentials, "MD PHD", "MD, PhD"),
        (normalize_credentials, "PSY.D.", "PsyD"),
        (normalize_credentials, "L.AC.", "LAc"),
        (normalize_credentials, "D.D.S., M.S.", "DDS, MS"),
        (normalize_credentials, "LCSW-R", "LCSW-R"),
        (normalize_credentials, "OTR/L", "OTR/L"),
        (normalize_credentials, "X.Y.Z.", "XYZ"),
        (normalize_credentials, "N/A", None),
        (normalize_credentials, ".", None),
        (normalize_credentials, "MD, MD", "MD"),
        (normalize_phone, "2123050000", "+12123050000"),
        (normalize_phone, "(212) 305-0000", "+12123050000"),
        (normalize_phone, "1-212-305-0000", "+12123050000"),
        (normalize_phone, "7877540101", "+17877540101"),
        (normalize_phone, "+442079460958", "+442079460958"),
        (normalize_phone, "123", None),
        (normalize_phone, "0000000000", None),
        (normalize_phone, "not a number", None),
        (normalize_zip_code, "100323724", "10032-3724"),
        (normalize_zip_code, "10032-3724", "10032-3724"),
        (normalize_zip_code, "10032", "10032"),
        (normalize_zip_code, "009350000", "00935"),
        (normalize_zip_code, "1003", None),
        (normalize_zip_code, "H4A3J1", None),
    ],
)
def test_text_is_normalized(normalize: Callable[[str], str | None], raw: str, clean: str | None) -> None:
    assert normalize(raw) == clean


def test_refine_provider() -> None:
    clean = refine(PROVIDER)
    assert clean.display_name == "Maria O'Connell-Ruiz, MD"
    assert (clean.specialty, clean.taxonomies) == ("dermatology", ("207N00000X",))


def test_refine_languages() -> None:
    clean = refine(
        Provider(npi="1000000012", last_name="A", first_name="B", taxonomy="207N00000X", languages=("Spanish", "en"))
    )
    assert clean.languages == ("en", "es")


def test_refine_provider_location() -> None:
    clean = refine(PROVIDER_LOCATION)
    assert clean.position == Position(lat=40.8382, lon=-73.942)
    assert (clean.time_zone, clean.specialty, clean.phone) == ("America/New_York", "dermatology", "+12123050000")
    assert clean.address == Address(
        line1="635 W 165th St", line2="Ste 4", city="New York", state="NY", zip="10032-3724"
    )


def test_refine_location_practice_and_plan() -> None:
    assert refine(Location(id="b", address=ADDRESS, phone="123")).phone is None
    assert refine(Practice(id="c", name="HUDSON CLINIC", phone="2123050000")).name == "Hudson Clinic"
    assert refine(InsurancePlan(id="p", name=" Gold  Plan ", years=(2021, 2020, 2021))).years == (2020, 2021)


def test_refine_returns_other_entities_unchanged() -> None:
    summary = ReviewSummary(npi="1000000012", count=1, overall=5.0)
    assert refine(summary) is summary


@pytest.mark.parametrize(
    ("entity", "field"),
    [
        (Provider(npi="1000000138", last_name="A", first_name="B", taxonomy="207N00000X"), "npi"),
        (Provider(npi="1000000012", last_name="A", first_name="B", taxonomy="999Z99999X"), "taxonomy"),
        (Provider(npi="1000000012", last_name=" ", first_name="B", taxonomy="207N00000X"), "last_name"),
        (Location(id="b", address=Address(line1="1", city="X", state="AE", zip="09001")), "address.zip"),
        (Location(id="b", address=Address(line1="1", city="X", state="NY", zip="H4A3J1")), "address.zip"),
    ],
)
def test_error_names_field(entity: Provider | Location, field: str) -> None:
    with pytest.raises(UnrefinableError) as caught:
        refine(entity)
    assert caught.value.field == field


# Registers contain only ASCII and Latin letters, whose case mapping is one to one.
LETTERS = string.ascii_letters + string.digits + " .,'-/&#()" + "ÁÉÍÑÖÜÇáéíñöüç"
TEXT = st.text(LETTERS, min_size=1, max_size=30)
NPIS = st.integers(100_000_000, 299_999_999).map(lambda n: f"{n}{npi_check_digit(str(n))}")
ADDRESSES = st.builds(
    Address,
    line1=TEXT.filter(str.strip),
    line2=st.none() | TEXT,
    city=TEXT.filter(str.strip),
    state=st.sampled_from(["ny", "PR"]),
    zip=st.builds(
        str.__add__, st.sampled_from(list(all_places())[::500]), st.sampled_from(["", "0000", "1234", "-1234"])
    ),
)
ENTITIES = st.one_of(
    st.builds(
        Provider,
        npi=NPIS,
        last_name=TEXT.filter(str.strip),
        first_name=TEXT,
        middle_name=st.none() | TEXT,
        suffix=st.none() | TEXT,
        credential=st.none() | TEXT,
        taxonomy=st.sampled_from(all_taxonomies()),
        taxonomies=st.lists(st.sampled_from(all_taxonomies()), max_size=3).map(tuple),
        languages=st.lists(st.sampled_from(["es", "Spanish", "Klingon", ""]) | TEXT, max_size=3).map(tuple),
    ),
    st.builds(
        ProviderLocation,
        id=st.just("a"),
        npi=NPIS,
        location_id=st.just("b"),
        address=ADDRESSES,
        taxonomy=st.sampled_from(all_taxonomies()),
        practice_name=st.none() | TEXT,
        phone=st.none() | TEXT | st.from_regex(r"[0-9]{10}", fullmatch=True),
        accepted_plans=st.lists(TEXT, max_size=3).map(tuple),
    ),
    st.builds(Practice, id=st.just("c"), name=TEXT.filter(str.strip), phone=st.none() | TEXT),
    st.builds(
        InsurancePlan, id=st.just("p"), name=TEXT.filter(str.strip), years=st.lists(st.integers(2019, 2030)).map(tuple)
    ),
)


@given(ENTITIES)
def test_refine_is_idempotent(entity: Provider | ProviderLocation | Practice | InsurancePlan) -> None:
    clean = refine(entity)
    assert refine(clean) == clean
    assert refine(entity) == clean


CASING = [normalize_person_name, normalize_address_line, normalize_city_name, normalize_organization_name]


@given(st.sampled_from(CASING), st.text(max_size=30))
def test_casing_is_idempotent_for_any_text(normalize: Callable[[str], str], text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
