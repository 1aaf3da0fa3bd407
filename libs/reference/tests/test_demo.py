"""The demo files have the real formats, contain only valid data, and depend only on the seed."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from millrace_contracts.entities import Address, Provider, ProviderLocation
from millrace_reference.demo.areas import FIRST_PART, all_areas, split_among_areas, split_into_parts
from millrace_reference.demo.cli import demo
from millrace_reference.demo.files import write_demo, write_demo_in_parts
from millrace_reference.demo.plans import all_plans
from millrace_reference.languages import find_language_by_name
from millrace_reference.npi import is_valid_npi
from millrace_reference.nppes import COLUMNS, address_columns
from millrace_reference.places import find_place
from millrace_reference.refine import refine

COUNT = 5_000
PRACTICE = "Provider First Line Business Practice Location Address"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("demo")
    write_demo(directory, providers=COUNT, seed=7, progress=lambda _: None)
    return directory


@pytest.fixture(scope="module")
def rows(written: Path) -> list[dict[str, str]]:
    with (written / "nppes.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def individuals(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in rows if row["Entity Type Code"] == "1"]


@pytest.fixture(scope="module")
def qhp(written: Path) -> list[dict[str, Any]]:
    providers: list[dict[str, Any]] = json.loads((written / "qhp-providers.json").read_bytes())
    return providers


def test_columns_match_nppes(written: Path) -> None:
    header, first = (written / "nppes.csv").read_text().splitlines()[:2]
    assert header == ",".join(f'"{column}"' for column in COLUMNS)
    assert len(COLUMNS) == 330
    assert first.count('"') == 2 * 330


def test_individuals_have_unique_valid_npis(rows: list[dict[str, str]], individuals: list[dict[str, str]]) -> None:
    npis = [row["NPI"] for row in rows]
    assert len(individuals) == COUNT
    assert len(set(npis)) == len(npis)
    assert all(is_valid_npi(npi) for npi in npis)


def test_all_individuals_can_be_normalized(individuals: list[dict[str, str]]) -> None:
    for row in individuals:
        line1, _, city, state, zip_code, _, phone, _ = (row[name] for name in address_columns("Practice Location"))
        address = Address(line1=line1, city=city, state=state, zip=zip_code)
        npi, taxonomy = row["NPI"], row["Healthcare Provider Taxonomy Code_1"]
        last, first = row["Provider Last Name (Legal Name)"], row["Provider First Name"]
        credential = row["Provider Credential Text"]
        refine(Provider(npi=npi, last_name=last, first_name=first, credential=credential, taxonomy=taxonomy))
        provider_location = refine(
            ProviderLocation(id="a", npi=npi, location_id="b", address=address, taxonomy=taxonomy, phone=phone)
        )
        assert provider_location.phone is not None


def test_practices_are_shared(rows: list[dict[str, str]], individuals: list[dict[str, str]]) -> None:
    organizations = {row[PRACTICE] for row in rows if row["Entity Type Code"] == "2"}
    at_address = Counter(row[PRACTICE] for row in individuals)
    assert organizations <= set(at_address)
    assert at_address.most_common(1)[0][1] > 5


def test_every_area_and_time_zone_of_the_states_is_dense(individuals: list[dict[str, str]]) -> None:
    zips = [row[address_columns("Practice Location")[4]][:5] for row in individuals]
    places = [place for zip_code in zips if (place := find_place(zip_code)) is not None]
    assert len(places) == COUNT
    zones = Counter(place.time_zone for place in places)
    assert {
        "America/Puerto_Rico",
        "America/New_York",
        "America/Chicago",
        "America/Denver",
        "America/Phoenix",
        "America/Los_Angeles",
        "America/Anchorage",
        "Pacific/Honolulu",
    } <= zones.keys()
    assert min(zones.values()) > COUNT / 30
    assert len(all_areas()) == 12


@pytest.mark.parametrize(
    ("count", "areas"), [(0, 1), (1, 1), (799, 1), (800, 2), (4_799, 11), (4_800, 12), (5_000, 12), (99_999, 12)]
)
def test_areas_share_all_providers(count: int, areas: int) -> None:
    numbers = [number for _, number in split_among_areas(count)]
    assert (sum(numbers), len(numbers)) == (count, areas)
    assert min(numbers) >= count // areas // 2


@pytest.mark.parametrize("count", [1, FIRST_PART, FIRST_PART + 1, 5_000])
def test_first_part_is_small_and_the_others_have_the_rest(count: int) -> None:
    first, *others = split_into_parts(count)
    assert first == (all_areas()[0], min(count, FIRST_PART))
    assert sum(number for _, number in others) == count - first[1]
    assert all(number for _, number in others)


def test_each_part_has_files_of_its_own(qhp: list[dict[str, Any]], tmp_path: Path) -> None:
    write_demo_in_parts(tmp_path / "all", providers=COUNT, seed=7, progress=lambda _: None)
    write_demo_in_parts(tmp_path / "first", providers=COUNT, seed=7, progress=lambda _: None, parts=1)
    directories = sorted((tmp_path / "all").iterdir())
    slugs = [all_areas()[0].slug, *(area.slug for area in all_areas())]
    assert [each.name for each in directories] == [f"{n:02}-of-13-{slug}" for n, slug in enumerate(slugs, 1)]
    npis = [row["npi"] for each in directories for row in json.loads((each / "qhp-providers.json").read_bytes())]
    assert npis == [provider["npi"] for provider in qhp]
    (first,) = (tmp_path / "first").iterdir()
    assert (first / "nppes.csv").read_bytes() == (directories[0] / "nppes.csv").read_bytes()


def test_issuers_of_all_plans_are_named(written: Path) -> None:
    with (written / "qhp-issuers.csv").open(newline="", encoding="utf-8") as file:
        names = {row["IssuerId"]: row["IssuerMarketPlaceMarketingName"] for row in csv.DictReader(file)}
    assert {plan.id[:5] for plan in all_plans()} == names.keys()
    assert "Alder Health" in names.values()


def test_accepted_plans_exist_in_few_sets(qhp: list[dict[str, Any]], written: Path) -> None:
    published = {plan["plan_id"] for plan in json.loads((written / "qhp-plans.json").read_bytes())}
    sets = {tuple(plan["plan_id"] for plan in provider["plans"]) for provider in qhp}
    assert published == {plan.id for plan in all_plans()}
    assert 60 <= len(published) <= 100
    assert {plan for accepted in sets for plan in accepted} <= published
    assert all(len(plan) == 14 for plan in published)
    assert len(sets) < 300


def test_files_are_consistent(qhp: list[dict[str, Any]], individuals: list[dict[str, str]]) -> None:
    assert [provider["npi"] for provider in qhp] == [row["NPI"] for row in individuals]
    assert all(find_language_by_name(name) for provider in qhp for name in provider["languages"])
    assert {provider.get("accepting") for provider in qhp} == {
        "accepting", "not accepting", "accepting in some locations", None,
    }  # fmt: skip


def test_same_seed_same_bytes(written: Path, tmp_path: Path) -> None:
    write_demo(tmp_path / "again", providers=COUNT, seed=7, progress=lambda _: None)
    write_demo(tmp_path / "other", providers=COUNT, seed=8, progress=lambda _: None)
    for file in written.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
    assert (tmp_path / "other" / "nppes.csv").read_bytes() != (written / "nppes.csv").read_bytes()


def test_command(tmp_path: Path) -> None:
    app = Typer()
    app.command()(demo)
    result = CliRunner().invoke(app, ["--providers", "12", "--out", str(tmp_path / "new")])
    assert result.exit_code == 0
    assert len(json.loads((tmp_path / "new" / "qhp-providers.json").read_bytes())) == 12
    (tmp_path / "file").write_text("")
    failed = CliRunner().invoke(app, ["--providers", "1", "--out", str(tmp_path / "file")])
    assert failed.exit_code == 2
    assert "Choose another directory" in failed.stderr
