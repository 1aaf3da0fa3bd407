"""Import of QHP files: plans, and the providers who accept them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from millrace_contracts.entities import InsurancePlan, ProviderLocation, practice_id
from millrace_contracts.registry import decode_entity
from millrace_directory.bulk_import.errors import ImportDatabaseError, UnusableFileError
from millrace_directory.bulk_import.rejects import RejectedRowError
from millrace_directory.bulk_import.stats import ImportStats
from millrace_directory.bulk_import.texts import LONE_SURROGATE, NOT_UTF8, NUL, TOO_LONG
from millrace_directory.qhp.issuers import read_issuers
from millrace_directory.qhp.json_array import NOT_JSON
from millrace_directory.qhp.records import (
    UNKNOWN_ACCEPTING,
    UNKNOWN_LANGUAGE,
    UNKNOWN_PLAN,
    UNUSABLE_ADDRESS,
    Individual,
    merge_plans,
    read_plan,
    read_provider,
)
from millrace_reference.demo.files import write_demo
from services.directory.tests.running import npi

from .support import DERMATOLOGY, Directory, address, deactivated, individual, organization, read_rejects

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


def person(number: int, accepted_plans: Sequence[str] = (GOLD,), **changes: Any) -> Record:
    tiers = ("PREFERRED", "NON-PREFERRED")
    return {
        "npi": npi(number),
        "type": "INDIVIDUAL",
        "name": {"first": "Martin", "middle": "Van", "last": "Nostrand"},
        "addresses": [HERE],
        "specialty": ["Dermatology", "Oncology"],
        "accepting": "accepting",
        "plans": [
            {"plan_id_type": "HIOS-PLAN-ID", "plan_id": key, "network_tier": tier}
            for key in accepted_plans
            for tier in tiers
        ],
        **changes,
    }


def facility(number: int, **changes: Any) -> Record:
    return {"npi": npi(number), "type": "FACILITY", "facility_name": "City Hospital", "addresses": [HERE], **changes}


async def load(
    directory: Directory,
    providers: Sequence[Any],
    plans: Sequence[Any] = (plan(), plan(SILVER)),
    issuers: Mapping[str, str] | None = None,
) -> ImportStats:
    files = directory.home / "providers.json", directory.home / "plans.json"
    for file, records in zip(files, (providers, plans), strict=True):
        file.write_text(json.dumps(records, indent=1))
    return await directory.import_qhp(*files, issuers=issuers)


def rejected(directory: Directory) -> list[tuple[str, ...]]:
    """Return record number, identifier, field, value and reason of each reject."""
    names = ("record", "identifier", "field", "value", "reason")
    rows = read_rejects(directory.home / "rejects.csv")
    return [tuple(row[name] for name in names) for row in rows if not row["reason"].endswith("ignored")]


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
    assert stats.rejected == {"no plan id": 1}
    (reject,) = read_rejects(directory.home / "rejects.csv")
    assert (reject["file"], reject["record"], reject["field"]) == ("plans.json", "3", "plan_id")
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
    assert rejected(directory) == [("2", npi(2), "specialty", "Wizardry", "unknown specialty")]
    stored = await directory.one("SELECT * FROM provider")
    assert (stored["last_name"], stored["middle_name"], stored["taxonomy"]) == ("Nostrand", "Van", DERMATOLOGY)
    assert set(await accepted(directory, 1)) == {"635 W 165TH ST", "12 MAIN ST"}
    assert (await directory.one("SELECT count(*) FROM imported_address"))["count"] == 0
    await directory.published()
    await directory.import_rows(individual(1))
    assert len(await accepted(directory, 1)) == 2


async def test_addresses_are_added_to_known_providers(directory: Directory) -> None:
    await directory.import_rows(individual(1, where=address("635 West 165th Street")))
    await directory.published()
    records = [person(1, addresses=[HERE, THERE], specialty=["Cardiology"])]
    await load(directory, records)
    assert await accepted(directory, 1) == {"635 WEST 165TH STREET": ([GOLD], True), "12 MAIN ST": ([GOLD], True)}
    added = await directory.one(
        "SELECT taxonomy, p.phone FROM provider_location AS p JOIN location AS l ON l.id = location_id "
        "WHERE line1 = '12 Main St'"
    )
    assert (added["taxonomy"], added["phone"]) == (DERMATOLOGY, "4135551212"), "the specialty that NPPES gives"
    await directory.published()
    await load(directory, records)
    assert await directory.published() == []
    await directory.import_rows(individual(1, where=address("635 West 165th Street")))
    assert len(await accepted(directory, 1)) == 2, "the next NPPES file doesn't remove it"


async def test_address_that_a_known_provider_left_is_not_added(directory: Directory) -> None:
    await directory.import_rows(individual(1))
    await directory.import_rows(individual(1, where=address("1 OTHER ST")))
    await load(directory, [person(1)])
    assert set(await accepted(directory, 1)) == {"1 OTHER ST"}


async def test_known_practice_runs_all_addresses_of_a_facility(directory: Directory) -> None:
    await directory.import_rows(organization(5), organization(7, where=address("1 OTHER ST")))
    other = {**HERE, "address": "1 Other St"}
    await load(directory, [facility(5, addresses=[HERE, THERE, other])])
    assert str(await directory.practice_at("12 Main St")) == practice_id(npi(5))
    assert str(await directory.practice_at("1 OTHER ST")) == practice_id(npi(7)), "its primary address is there"
    await directory.published()
    await load(directory, [facility(5, addresses=[HERE, THERE, other])])
    assert await directory.published() == []


async def test_new_practice_runs_all_addresses_of_a_facility(directory: Directory) -> None:
    await load(directory, [facility(5, addresses=[HERE, THERE])])
    assert str(await directory.practice_at("12 Main St")) == practice_id(npi(5))


async def test_facilities_are_imported_as_practices(directory: Directory) -> None:
    stats = await load(directory, [facility(5), facility(6, addresses=[ABROAD])])
    assert stats.used["organizations"] == 1
    assert [(row[1], row[2], row[4]) for row in rejected(directory)] == [(npi(6), "addresses", "no usable address")]
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
    assert rejected(directory) == [("1", npi(1), "npi", npi(1), "NPI was deleted from the directory")]


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
            person(2) | {"plans": None, "name": None, "languages": None, "specialty": None},
            person(3, addresses="nowhere"),
        ],
    )
    assert stats.warnings == {UNKNOWN_PLAN: 1, UNKNOWN_LANGUAGE: 1, UNKNOWN_ACCEPTING: 1}
    assert rejected(directory) == [
        ("2", npi(1), "npi", npi(1), "another record of the same NPI"),
        ("3", "1234567892", "npi", "1234567892", "wrong NPI check digit"),
        ("4", npi(2), "type", "ROBOT", "unknown type"),
        ("5", "", "", "not an object", "not an object"),
        ("7", npi(3), "addresses", "nowhere", "not a list"),
    ]
    assert await accepted(directory, 1) == {"635 W 165TH ST": ([GOLD], None)}


OUT_OF_RANGE = "year out of range (2000 to 2100)"
FAULTS: list[tuple[Record, str, str, str]] = [
    ({"accepting": ["accepting"]}, "accepting", '["accepting"]', "not a text"),
    ({"accepting": True}, "accepting", "true", "not a text"),
    ({"name": "Nostrand"}, "name", "Nostrand", "not an object"),
    ({"name": {"first": "Pat\0", "last": "Nostrand"}}, "name.first", "Pat\\x00", NUL),
    ({"name": {"first": "Pat", "last": "\ud800X"}}, "name.last", "\\ud800X", LONE_SURROGATE),
    ({"name": {"first": "Pat", "last": "X" * 300}}, "name.last", "X" * 200 + "…", TOO_LONG),
    ({"addresses": [HERE, "nowhere"]}, "addresses[1]", "nowhere", "not an object"),
    ({"addresses": [{**HERE, "zip": 10032}]}, "addresses[0].zip", "10032", "not a text"),
    ({"addresses": [{**HERE, "phone": {}}]}, "addresses[0].phone", "{}", "not a text"),
    ({"specialty": "Dermatology"}, "specialty", "Dermatology", "not a list"),
    ({"specialty": ["Dermatology", 3]}, "specialty[1]", "3", "not a text"),
    ({"languages": {"en": 1}}, "languages", '{"en": 1}', "not a list"),
    ({"plans": [[]]}, "plans[0]", "[]", "not an object"),
    ({"plans": [{"plan_id": GOLD, "years": 2026}]}, "plans[0].years", "2026", "not a list"),
    (
        {"plans": [{"plan_id": GOLD, "years": [202612]}]},
        "plans[0].years[0]",
        "202612",
        OUT_OF_RANGE,
    ),
    ({"plans": [{"plan_id": GOLD, "years": [True]}]}, "plans[0].years[0]", "true", "not a year"),
    ({"plans": [{"plan_id": GOLD, "years": ["next"]}]}, "plans[0].years[0]", "next", "not a year"),
    ({"plans": [{"plan_id": GOLD, "years": [2026.5]}]}, "plans[0].years[0]", "2026.5", "not a year"),
    (
        {"plans": [{"plan_id": GOLD, "years": [10**400]}]},
        "plans[0].years[0]",
        "1" + "0" * 199 + "…",
        OUT_OF_RANGE,
    ),
    ({"type": ["INDIVIDUAL"]}, "type", '["INDIVIDUAL"]', "not a text"),
]


async def test_faulty_record_is_rejected_and_the_rest_is_imported(directory: Directory) -> None:
    faulty = [person(number, **changes) for number, (changes, *_) in enumerate(FAULTS, 2)]
    stats = await load(directory, [person(1), *faulty, {"npi": 7}, person(99)])
    assert stats.used["individuals"] == 2
    assert rejected(directory) == [
        *((str(number), npi(number), *expected) for number, (_, *expected) in enumerate(FAULTS, 2)),
        (str(len(FAULTS) + 2), "7", "npi", "7", "not a text"),
    ]


async def test_faulty_plan_is_rejected_and_the_rest_is_imported(directory: Directory) -> None:
    faults: list[tuple[Record, str, str]] = [
        ({"years": [202612]}, "years[0]", OUT_OF_RANGE),
        ({"years": "2026"}, "years", "not a list"),
        ({"marketing_name": "\0"}, "marketing_name", NUL),
        ({"network": "PREFERRED"}, "network", "not a list"),
        ({"network": [{"network_tier": 1}]}, "network[0].network_tier", "not a text"),
        ({"plan_id_type": []}, "plan_id_type", "not a text"),
    ]
    stats = await load(directory, [], [*(plan(**changes) for changes, *_ in faults), plan(SILVER)])
    assert stats.used == {"insurance plans": 1}
    assert [(row[2], row[4]) for row in rejected(directory)] == [(field, reason) for _, field, reason in faults]


async def test_records_that_are_not_json_are_listed_by_line(directory: Directory) -> None:
    providers, plans = directory.home / "providers.json", directory.home / "plans.json"
    plans.write_text(json.dumps([plan()]))
    lines = [json.dumps(person(number)) for number in range(1, 5)]
    lines[1] = lines[1].replace('"Nostrand"', '"Nostrand')
    lines[2] = lines[2].replace("Nostrand", "Müller")
    providers.write_bytes(("[\n" + ",\n".join(lines) + "\n]").encode("latin-1"))
    stats = await directory.import_qhp(providers, plans)
    assert stats.used["individuals"] == 2
    names = ("line", "identifier", "field", "reason")
    found = [tuple(row[name] for name in names) for row in read_rejects(directory.home / "rejects.csv")]
    assert found == [("3", npi(2), "", NOT_JSON), ("4", npi(3), "name.last", NOT_UTF8)]
    assert read_rejects(directory.home / "rejects.csv")[1]["value"] == "M\\xfcller"


async def test_swapped_files_are_refused(directory: Directory) -> None:
    providers, plans = directory.home / "providers.json", directory.home / "plans.json"
    providers.write_text(json.dumps([person(1)]))
    plans.write_text(json.dumps([plan()]))
    for files, text in (
        ((plans, providers), "providers.json contains providers, and .*plans.json contains plans"),
        ((plans, plans), "plans.json contains plans"),
        ((providers, providers), "providers.json contains providers"),
    ):
        with pytest.raises(UnusableFileError, match=f"{text}.* first"):
            await directory.import_qhp(*files)
    assert await directory.published() == []


async def test_records_before_the_end_of_a_cut_file_are_imported(directory: Directory) -> None:
    providers, plans = directory.home / "providers.json", directory.home / "plans.json"
    providers.write_text(json.dumps([person(1), person(2)])[:-40])
    plans.write_text(json.dumps([plan()]))
    with pytest.raises(UnusableFileError, match="cut short") as caught:
        await directory.import_qhp(providers, plans)
    assert caught.value.stats is not None
    assert caught.value.stats.used == {"insurance plans": 1, "individuals": 1}
    assert set(await accepted(directory, 1)) == {"635 W 165TH ST"}


async def test_years_of_plans_are_stored(directory: Directory) -> None:
    years = [{"plan_id": GOLD, "years": [2027]}, {"plan_id": GOLD, "years": ["2026"]}, {"plan_id": SILVER}]
    await load(directory, [person(1, plans=years)], [plan(years=[2026]), plan(years=["2027"]), plan(SILVER)])
    events = await directory.published()
    plans = [entity for event in events if isinstance(entity := decode_entity(event), InsurancePlan)]
    assert {each.id: each.years for each in plans} == {GOLD: (2026, 2027), SILVER: (2026, 2027)}
    (entity,) = [entity for event in events[-1:] if isinstance(entity := decode_entity(event), ProviderLocation)]
    assert entity.accepted_plans == (SILVER, GOLD)
    assert entity.accepted_plan_years == {GOLD: (2026, 2027)}
    await load(directory, [person(1, plans=[{"plan_id": GOLD, "years": [2028]}])])
    (entity,) = [each for each in await directory.entities("provider-location") if isinstance(each, ProviderLocation)]
    assert (entity.accepted_plans, entity.accepted_plan_years) == ((GOLD,), {GOLD: (2028,)})
    await load(directory, [person(1, [GOLD])])
    (entity,) = [each for each in await directory.entities("provider-location") if isinstance(each, ProviderLocation)]
    assert entity.accepted_plan_years == {}


def test_record_of_the_latest_year_names_a_plan() -> None:
    new, old = read_plan(plan(marketing_name="New", years=[2027])), read_plan(plan(marketing_name="Old", years=[2026]))
    for merged in (merge_plans(new, old), merge_plans(old, new)):
        assert (merged.name, merged.years) == ("New", [2026, 2027])


async def test_ignored_values_are_listed(directory: Directory) -> None:
    languages = ["English", "Klingon"]
    changes = {"languages": languages, "accepting": "perhaps", "addresses": [HERE, ABROAD]}
    await load(directory, [person(1, ["NONE", GOLD], **changes)])
    names = ("identifier", "field", "value", "reason")
    rows = read_rejects(directory.home / "rejects.csv")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (npi(1), "addresses[1].zip", "H4A3J1", UNUSABLE_ADDRESS),
        (npi(1), "accepting", "perhaps", UNKNOWN_ACCEPTING),
        (npi(1), "languages[1]", "Klingon", UNKNOWN_LANGUAGE),
        (npi(1), "plans", "NONE", UNKNOWN_PLAN),
    ]


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


async def test_issuers_are_named_by_their_file(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "issuers.csv").write_text(
        "BusinessYear,IssuerId,IssuerMarketPlaceMarketingName\n2026,12345,Lakeshore Health\n2027,12345,Renamed\n"
    )
    names = read_issuers(tmp_path / "issuers.csv")
    assert names == {"12345": "Lakeshore Health"}
    await load(directory, [], [plan(GOLD), plan("54321XX9876543")], issuers=names)
    found = await directory.connection.fetch("SELECT issuer FROM insurance_plan ORDER BY issuer")
    assert [row["issuer"] for row in found] == ["54321", "Lakeshore Health"]


@pytest.mark.parametrize("content", [b"IssuerId,Name\n1,A\n", b"IssuerMarketPlaceMarketingName\nA\n", b"\xff\xfe"])
def test_unusable_file_of_issuers_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "issuers.csv").write_bytes(content)
    with pytest.raises(UnusableFileError, match="IssuerMarketPlaceMarketingName"):
        read_issuers(tmp_path / "issuers.csv")


async def test_file_without_an_array_is_rejected(directory: Directory) -> None:
    providers, plans = directory.home / "providers.json", directory.home / "plans.json"
    providers.write_text("[]")
    plans.write_text("{}")
    with pytest.raises(UnusableFileError, match=r"plans\.json is not a JSON array"):
        await directory.import_qhp(providers, plans)


@pytest.mark.parametrize(
    ("record", "reason"),
    [(plan(marketing_name=None), "no name"), (plan("A B"), "not a plan id"), ([], "not an object")],
)
def test_unusable_plans_are_rejected(record: object, reason: str) -> None:
    with pytest.raises(RejectedRowError, match=reason):
        read_plan(record)


def test_specialties_are_read_by_code_and_by_name() -> None:
    found = read_provider(person(1, specialty=["Wizardry", "dermatologist", "207RC0000X", "Dermatology"]))
    assert isinstance(found, Individual)
    assert list(found.taxonomies) == [DERMATOLOGY, "207RC0000X"]
