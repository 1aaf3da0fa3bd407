"""QHP files into the directory: plans, and who accepts them."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from millrace_contracts.entities import InsurancePlan, practice_id
from millrace_directory.importing.errors import UnusableFileError
from millrace_directory.importing.figures import Figures
from millrace_directory.importing.qhp import (
    UNKNOWN_ACCEPTING,
    UNKNOWN_LANGUAGE,
    UNKNOWN_PLAN,
    UNUSABLE_ADDRESS,
    Person,
    read_plan,
    read_provider,
)
from millrace_directory.importing.rows import Rejected
from millrace_reference.demo.files import write_demo

from .support import DERMATOLOGY, Directory, address, deactivated, individual, npi, organization

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
) -> Figures:
    files = directory.home / "providers.json", directory.home / "plans.json"
    for file, records in zip(files, (providers, plans), strict=True):
        file.write_text(json.dumps(records, indent=1))
    return await directory.qhp(*files, directory.home / "rejects.csv")


def rejected(directory: Directory) -> list[list[str]]:
    return list(csv.reader((directory.home / "rejects.csv").open()))[1:]


async def accepted(directory: Directory, number: int) -> dict[str, tuple[list[str], bool | None]]:
    """Accepted plans and new patients of someone, by the first line of the address."""
    rows: Sequence[Mapping[str, Any]] = await directory.connection.fetch(
        "SELECT line1, accepted_plans, new_patients "
        "FROM provider_location AS p JOIN location AS l ON l.id = location_id WHERE npi = $1 AND p.deleted_at IS NULL",
        npi(number),
    )
    return {row["line1"].upper(): (row["accepted_plans"], row["new_patients"]) for row in rows}


async def test_plans(directory: Directory) -> None:
    figures = await load(directory, [], [plan(), plan(SILVER, plan_id_type="OTHER"), plan("")])
    assert figures.used == {"insurance plans": 2}
    assert figures.rejected == {"plan: no plan id": 1}
    gold, other = sorted(
        (entity for entity in await directory.entities("insurance-plan") if isinstance(entity, InsurancePlan)),
        key=lambda entity: entity.id,
        reverse=True,
    )
    assert gold == InsurancePlan(
        id=GOLD,
        name="Vandelay Gold",
        issuer="12345",
        years=(2026, 2027),
        network_tiers=("PREFERRED", "NON-PREFERRED"),
    )
    assert other.issuer is None
    await load(directory, [], [plan(marketing_name="New"), plan(SILVER, plan_id_type="OTHER")])
    assert await directory.changes() == [("insurance-plan.updated", 2)]


async def test_who_is_known_gets_plans_new_patients_and_languages(directory: Directory) -> None:
    await directory.nppes(individual(1))
    await directory.told()
    records = [person(1, [SILVER, GOLD], languages=["Spanish", "English"])]
    figures = await load(directory, records)
    assert figures.used == {"insurance plans": 2, "individuals": 1}
    assert await accepted(directory, 1) == {"635 W 165TH ST": ([SILVER, GOLD], True)}
    assert (await directory.one("SELECT languages FROM provider"))["languages"] == ["en", "es"]
    assert (await directory.one("SELECT last_name FROM provider"))["last_name"] == "RUIZ"
    assert await directory.changes() == [
        ("insurance-plan.created", 1), ("insurance-plan.created", 1), ("provider-location.updated", 2),
        ("provider.updated", 2),
    ]  # fmt: skip
    await load(directory, records)
    assert await directory.told() == []


async def test_plans_are_accepted_where_the_addresses_match_else_everywhere(directory: Directory) -> None:
    await load(directory, [person(1, addresses=[HERE, THERE])])
    await load(directory, [person(1, [SILVER], addresses=[THERE], accepting="not accepting")])
    assert await accepted(directory, 1) == {"635 W 165TH ST": ([GOLD], True), "12 MAIN ST": ([SILVER], False)}
    await load(directory, [person(1, [GOLD], addresses=[ABROAD], accepting="accepting in some locations")])
    assert await accepted(directory, 1) == {"635 W 165TH ST": ([GOLD], None), "12 MAIN ST": ([GOLD], None)}


async def test_files_speak_for_their_own_plans_only(directory: Directory) -> None:
    await load(directory, [person(1, ["99999NY0010001"])], [plan("99999NY0010001")])
    await load(directory, [person(1, [GOLD])])
    assert (await accepted(directory, 1))["635 W 165TH ST"][0] == [GOLD, "99999NY0010001"]
    await load(directory, [person(1, [SILVER])])
    assert (await accepted(directory, 1))["635 W 165TH ST"][0] == [SILVER, "99999NY0010001"]


async def test_what_a_record_does_not_say_stays(directory: Directory) -> None:
    await load(directory, [person(1, languages=["Spanish"])])
    silent = person(1)
    del silent["accepting"]
    await directory.told()
    await load(directory, [silent])
    assert await directory.told() == []


async def test_who_is_unknown_is_created(directory: Directory) -> None:
    figures = await load(directory, [person(1, addresses=[HERE, THERE, ABROAD]), person(2, specialty=["Wizardry"])])
    assert figures.warnings == {UNUSABLE_ADDRESS: 1}
    assert rejected(directory) == [["2", npi(2), "unknown specialty"]]
    stored = await directory.one("SELECT * FROM provider")
    assert (stored["last_name"], stored["middle_name"], stored["taxonomy"]) == ("Nostrand", "Van", DERMATOLOGY)
    assert set(await accepted(directory, 1)) == {"635 W 165TH ST", "12 MAIN ST"}
    assert (await directory.one("SELECT count(*) FROM imported_address"))["count"] == 0
    await directory.told()
    await directory.nppes(individual(1))
    assert len(await accepted(directory, 1)) == 2


async def test_facilities_become_practices(directory: Directory) -> None:
    figures = await load(directory, [facility(5), facility(6, addresses=[ABROAD])])
    assert figures.used["organizations"] == 1
    assert rejected(directory) == [["2", npi(6), "no address that can be used"]]
    assert str(await directory.practice_at("635 W 165TH ST")) == practice_id(npi(5))
    await directory.told()
    await load(directory, [facility(5, facility_name="Another Name")])
    assert await directory.told() == []


async def test_a_practice_that_nppes_gave_keeps_its_name(directory: Directory) -> None:
    await directory.nppes(organization(5))
    await load(directory, [facility(5)])
    assert (await directory.one("SELECT name FROM practice"))["name"] == "HUDSON DERMATOLOGY"


async def test_who_left_does_not_come_back(directory: Directory) -> None:
    await directory.nppes(individual(1))
    await directory.nppes(deactivated(1))
    await load(directory, [person(1)])
    assert rejected(directory) == [["1", npi(1), "NPI has left the directory"]]


async def test_odd_records(directory: Directory) -> None:
    await directory.nppes(individual(1), individual(2), individual(3, where=address("1 OTHER ST")))
    figures = await load(
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
    assert figures.warnings == {UNKNOWN_PLAN: 1, UNKNOWN_LANGUAGE: 1, UNKNOWN_ACCEPTING: 1}
    assert [row[2] for row in rejected(directory)] == [
        "another record of the same NPI", "wrong NPI check digit", "unknown type", "not an object",
    ]  # fmt: skip
    assert await accepted(directory, 1) == {"635 W 165TH ST": ([GOLD], None)}


async def test_a_plan_that_is_gone_is_unknown(directory: Directory) -> None:
    await load(directory, [])
    await directory.connection.execute("UPDATE insurance_plan SET deleted_at = now() WHERE id = $1", GOLD)
    figures = await load(directory, [person(1, [GOLD, SILVER])], [plan(SILVER)])
    assert figures.warnings == {UNKNOWN_PLAN: 1}
    assert (await accepted(directory, 1))["635 W 165TH ST"][0] == [SILVER]


async def test_the_demo_files_together(directory: Directory, tmp_path: Path) -> None:
    write_demo(tmp_path, providers=300, seed=5, progress=lambda _: None)
    await directory.nppes_file(tmp_path / "nppes.csv")
    figures = await directory.qhp(tmp_path / "qhp-providers.json", tmp_path / "qhp-plans.json")
    assert figures.used["individuals"] == 300
    assert not figures.rejected
    assert not figures.warnings
    counted = await directory.one("SELECT count(*) FROM provider_location WHERE accepted_plans <> '{}'")
    assert counted["count"] > 200
    again = await directory.qhp(tmp_path / "qhp-providers.json", tmp_path / "qhp-plans.json")
    assert not again.events


async def test_a_file_of_something_else(directory: Directory) -> None:
    (directory.home / "plans.json").write_text("{}")
    with pytest.raises(UnusableFileError, match="not a JSON array"):
        await directory.qhp(directory.home / "none.json", directory.home / "plans.json")


@pytest.mark.parametrize(
    ("record", "reason"),
    [(plan(marketing_name=None), "no name"), (plan(plan_id=7), "no plan id"), ([], "not an object")],
)
def test_plans_that_cannot_be_used(record: object, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        read_plan(record)


def test_specialties_are_found_by_code_and_by_name() -> None:
    found = read_provider(person(1, specialty=["Wizardry", "dermatologist", "207RC0000X", "Dermatology"]))
    assert isinstance(found, Person)
    assert list(found.taxonomies) == [DERMATOLOGY, "207RC0000X"]
