"""Import of QHP files: plans, and the providers who accept them."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from millrace_contracts.entities import InsurancePlan, practice_id
from millrace_directory.bulk_import.errors import ImportDatabaseError, UnusableFileError
from millrace_directory.bulk_import.rejects import RejectedRowError
from millrace_directory.bulk_import.stats import ImportStats
from millrace_directory.qhp.records import (
    UNKNOWN_ACCEPTING,
    UNKNOWN_LANGUAGE,
    UNKNOWN_PLAN,
    UNUSABLE_ADDRESS,
    Individual,
    read_plan,
    read_provider,
)
from millrace_reference.demo.files import write_demo
from services.directory.tests.running import npi

from .support import DERMATOLOGY, Directory, address, deactivated, individual, organization

GOLD, SILVER = "12345XX9876543", "12345XX9876542"
HERE = {"address": "635 W 165TH ST", "city": "New York", "state": "NY", "zip": "10032", "phone": "2125551212"}
THERE = {"address": "12 Main St", "city": "Springfield", "state": "MA", "zip": "01103", "phone": "4135551212"}
ABROAD = {"address": "1001 Boul Decarie", "city": "Montreal", "state": "QC", "zip": "H4A3J1"}
Record = dict[str, Any]


def plan(key: str = GOLD, **changes: Any) -> Record:
    return {
        "plan_id_type": "HIOS-PLAN-ID",
        "plan_id": key,
        "marketing_name": "Vandelay Gold",
        "years": [2027, 2026],
        "network": [{"network_tier": "PREFERRED"}, {"network_tier": "NON-PREFERRED"}],
        **changes,
    }


def person(number: int, plans: Sequence[str] = (GOLD,), **changes: Any) -> Record:
    tiers = ("PREFERRED", "NON-PREFERRED")
    return {
        "npi": npi(number),
        "type": "INDIVIDUAL",
        "name": {"first": "Martin", "middle": "Van", "last": "Nostrand"},
        "addresses": [HERE],
        "specialty": ["Dermatology", "Oncology"],
        "accepting": "accepting",
        "plans": [
            {"plan_id_type": "HIOS-PLAN-ID", "plan_id": key, "network_tier": tier} for key in plans for tier in tiers
        ],
        **changes,
    }


def facility(number: int, **changes: Any) -> Record:
    return {"npi": npi(number), "type": "FACILITY", "facility_name": "City Hospital", "addresses": [HERE], **changes}


async def load(
    directory: Directory, providers: Sequence[Any], plans: Sequence[Any] = (plan(), plan(SILVER))
) -> ImportStats:
    files = directory.home / "providers.json", directory.home / "plans.json"
    for file, records in zip(files, (providers, plans), strict=True):
        file.write_text(json.dumps(records, indent=1))
    return await directory.import_qhp(*files, directory.home / "rejects.csv")


def rejected(directory: Directory) -> list[list[str]]:
    return list(csv.reader((directory.home / "rejects.csv").open()))[1:]


async def accepted(directory: Directory, number: int) -> dict[str, tuple[list[str], bool | None]]:
    """Return accepted plans and new patients of a provider by the first line of the address."""
    rows: Sequence[Mapping[str, Any]] = await directory.connection.fetch(
        "SELECT line1, accepted_plans, new_patients "
        "FROM provider_location AS p JOIN location AS l ON l.id = location_id WHERE npi = $1 AND p.deleted_at IS NULL",
        npi(number),
    )
    return {row["line1"].upper(): (row["accepted_plans"], row["new_patients"]) for row in rows}


async def test_plans_are_imported(directory: Directory) -> None:
    stats = await load(directory, [], [plan(), plan(SILVER, plan_id_type="OTHER"), plan("")])
    assert stats.used == {"insurance plans": 2}
    assert stats.rejected == {"plan: no plan id": 1}
    gold, other = sorted(
        (entity for entity in await directory.entities("insurance-plan") if isinstance(entity, InsurancePlan)),
        key=lambda entity: entity.id,
        reverse=True,
    )
    assert gold == InsurancePlan(
        id=GOLD, name="Vandelay Gold", issuer="12345", years=(2026, 2027), network_tiers=("PREFERRED", "NON-PREFERRED")
    )
    assert other.issuer is None
    await load(directory, [], [plan(marketing_name="New"), plan(SILVER, plan_id_type="OTHER")])
    assert await directory.changes() == [("insurance-plan.updated", 2)]


async def test_known_provider_gets_plans_new_patients_and_languages(directory: Directory) -> None:
    await directory.import_rows(individual(1))
    await directory.published()
    records = [person(1, [SILVER, GOLD], languages=["Spanish", "English"])]
    stats = await load(directory, records)
    assert stats.used == {"insurance plans": 2, "individuals": 1}
    assert await accepted(directory, 1) == {"635 W 165TH ST": ([SILVER, GOLD], True)}
    assert (await directory.one("SELECT languages FROM provider"))["languages"] == ["en", "es"]
    assert (await directory.one("SELECT last_name FROM provider"))["last_name"] == "RUIZ"
    assert await directory.changes() == [
        ("insurance-plan.created", 1), ("insurance-plan.created", 1), ("provider-location.updated", 2),
        ("provider.updated", 2),
    ]  # fmt: skip
    await load(directory, records)
    assert await directory.published() == []


async def test_plans_apply_to_matching_addresses_else_to_all(directory: Directory) -> None:
    await load(directory, [person(1, addresses=[HERE, THERE])])
    await load(directory, [person(1, [SILVER], addresses=[THERE], accepting="not accepting")])
    assert await accepted(directory, 1) == {"635 W 165TH ST": ([GOLD], True), "12 MAIN ST": ([SILVER], False)}
    await load(directory, [person(1, [GOLD], addresses=[ABROAD], accepting="accepting in some locations")])
    assert await accepted(directory, 1) == {"635 W 165TH ST": ([GOLD], None), "12 MAIN ST": ([GOLD], None)}


async def test_plans_of_other_files_stay(directory: Directory) -> None:
    await load(directory, [person(1, ["99999NY0010001"])], [plan("99999NY0010001")])
    await load(directory, [person(1, [GOLD])])
    assert (await accepted(directory, 1))["635 W 165TH ST"][0] == [GOLD, "99999NY0010001"]
    await load(directory, [person(1, [SILVER])])
    assert (await accepted(directory, 1))["635 W 165TH ST"][0] == [SILVER, "99999NY0010001"]


async def test_missing_fields_change_nothing(directory: Directory) -> None:
    await load(directory, [person(1, languages=["Spanish"])])
    incomplete = person(1)
    del incomplete["accepting"]
    await directory.published()
    await load(directory, [incomplete])
    assert await directory.published() == []


async def test_unknown_providers_are_created(directory: Directory) -> None:
    stats = await load(directory, [person(1, addresses=[HERE, THERE, ABROAD]), person(2, specialty=["Wizardry"])])
    assert stats.warnings == {UNUSABLE_ADDRESS: 1}
    assert rejected(directory) == [["2", npi(2), "unknown specialty"]]
    stored = await directory.one("SELECT * FROM provider")
    assert (stored["last_name"], stored["middle_name"], stored["taxonomy"]) == ("Nostrand", "Van", DERMATOLOGY)
    assert set(await accepted(directory, 1)) == {"635 W 165TH ST", "12 MAIN ST"}
    assert (await directory.one("SELECT count(*) FROM imported_address"))["count"] == 0
    await directory.published()
    await directory.import_rows(individual(1))
    assert len(await accepted(directory, 1)) == 2


async def test_facilities_are_imported_as_practices(directory: Directory) -> None:
    stats = await load(directory, [facility(5), facility(6, addresses=[ABROAD])])
    assert stats.used["organizations"] == 1
    assert rejected(directory) == [["2", npi(6), "no usable address"]]
    assert str(await directory.practice_at("635 W 165TH ST")) == practice_id(npi(5))
    await directory.published()
    await load(directory, [facility(5, facility_name="Another Name")])
    assert await directory.published() == []


async def test_practice_from_nppes_keeps_its_name(directory: Directory) -> None:
    await directory.import_rows(organization(5))
    await load(directory, [facility(5)])
    assert (await directory.one("SELECT name FROM practice"))["name"] == "HUDSON DERMATOLOGY"


async def test_deleted_provider_is_not_restored(directory: Directory) -> None:
    await directory.import_rows(individual(1))
    await directory.import_rows(deactivated(1))
    await load(directory, [person(1)])
    assert rejected(directory) == [["1", npi(1), "NPI was deleted from the directory"]]


async def test_invalid_row_ends_the_import_until_it_is_corrected(directory: Directory) -> None:
    await directory.import_rows(individual(1))
    await directory.connection.execute("UPDATE provider SET sex = 'QQ'")
    with pytest.raises(ImportDatabaseError, match=rf"\(provider {npi(1)}, `\$\.sex`\)") as caught:
        await load(directory, [person(1, languages=["Spanish"])])
    assert "QQ" not in str(caught.value)
    assert (await directory.one("SELECT languages FROM provider"))["languages"] == []
    await directory.import_rows(individual(1))
    await load(directory, [person(1, languages=["Spanish"])])
    assert (await directory.one("SELECT languages FROM provider"))["languages"] == ["es"]


async def test_irregular_records_cause_warnings_or_rejects(directory: Directory) -> None:
    await directory.import_rows(individual(1), individual(2), individual(3, where=address("1 OTHER ST")))
    stats = await load(
        directory,
        [
            person(1, ["UNKNOWN", GOLD], languages=["Klingon"], accepting="perhaps"),
            person(1),
            person(2) | {"npi": "1234567892"},
            person(2, type="ROBOT"),
            "not an object",
            person(2, addresses="nowhere", name=[], specialty=3) | {"plans": None},
        ],
    )
    assert stats.warnings == {UNKNOWN_PLAN: 1, UNKNOWN_LANGUAGE: 1, UNKNOWN_ACCEPTING: 1}
    assert [row[2] for row in rejected(directory)] == [
        "another record of the same NPI", "wrong NPI check digit", "unknown type", "not an object",
    ]  # fmt: skip
    assert await accepted(directory, 1) == {"635 W 165TH ST": ([GOLD], None)}


async def test_deleted_plan_is_unknown(directory: Directory) -> None:
    await load(directory, [])
    await directory.connection.execute("UPDATE insurance_plan SET deleted_at = now() WHERE id = $1", GOLD)
    stats = await load(directory, [person(1, [GOLD, SILVER])], [plan(SILVER)])
    assert stats.warnings == {UNKNOWN_PLAN: 1}
    assert (await accepted(directory, 1))["635 W 165TH ST"][0] == [SILVER]


async def test_demo_files_are_imported_completely(directory: Directory, tmp_path: Path) -> None:
    write_demo(tmp_path, providers=300, seed=5, progress=lambda _: None)
    providers, plans = tmp_path / "qhp-providers.json", tmp_path / "qhp-plans.json"
    for stats in (await directory.import_nppes(tmp_path / "nppes.csv"), await directory.import_qhp(providers, plans)):
        assert stats.used["individuals"] == 300
        assert not stats.rejected
        assert not stats.warnings
    assert (await directory.one("SELECT count(*) FROM provider_location"))["count"] == 300
    counted = await directory.one("SELECT count(*) FROM provider_location WHERE accepted_plans <> '{}'")
    assert counted["count"] > 200
    for again in (await directory.import_nppes(tmp_path / "nppes.csv"), await directory.import_qhp(providers, plans)):
        assert not again.events


async def test_file_without_an_array_is_rejected(directory: Directory) -> None:
    (directory.home / "plans.json").write_text("{}")
    with pytest.raises(UnusableFileError, match="not a JSON array"):
        await directory.import_qhp(directory.home / "none.json", directory.home / "plans.json")


@pytest.mark.parametrize(
    ("record", "reason"),
    [(plan(marketing_name=None), "no name"), (plan(plan_id=7), "no plan id"), ([], "not an object")],
)
def test_unusable_plans_are_rejected(record: object, reason: str) -> None:
    with pytest.raises(RejectedRowError, match=reason):
        read_plan(record)


def test_specialties_are_read_by_code_and_by_name() -> None:
    found = read_provider(person(1, specialty=["Wizardry", "dermatologist", "207RC0000X", "Dermatology"]))
    assert isinstance(found, Individual)
    assert list(found.taxonomies) == [DERMATOLOGY, "207RC0000X"]
