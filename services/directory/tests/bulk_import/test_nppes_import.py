"""Import of NPPES files: the rows in the directory afterwards, and the published events."""

import asyncio
import csv
import functools
import gzip
from pathlib import Path
from uuid import RFC_4122, UUID

import asyncpg
import pytest
from opentelemetry.sdk.trace import TracerProvider

from millrace_contracts.entities import Location, ProviderLocation, practice_id, provider_location_id
from millrace_directory.bulk_import import session
from millrace_directory.bulk_import.errors import ImportDatabaseError, ImportRunningError, UnusableFileError
from millrace_directory.bulk_import.publisher import EventPublisher
from millrace_directory.bulk_import.rejects import printable
from millrace_directory.bulk_import.session import COUNTED_DIGITS, LOCK_KEY, fast_ids
from millrace_directory.bulk_import.texts import NOT_UTF8, NUL
from millrace_directory.feed import Change, directory_envelopes
from millrace_directory.model import Action
from millrace_directory.nppes.csv_rows import AFTER_QUOTE, LONG_LINE
from millrace_directory.nppes.records import TWO_PRIMARY
from millrace_directory.provider_location.repository import PROVIDER_LOCATIONS
from millrace_feeds.clock import SystemClock
from millrace_platform.ids import Uuid7
from millrace_reference.addresses import location_id
from services.directory.tests.running import npi

from .support import (
    CARDIOLOGY,
    COUNTRY,
    DENTIST,
    INTERNAL,
    Directory,
    FakeProgress,
    Row,
    address,
    content,
    deactivated,
    individual,
    organization,
    read_rejects,
)

CODE, SWITCH = "Healthcare Provider Taxonomy Code_", "Healthcare Provider Primary Taxonomy Switch_"
MAIN = address("12 MAIN ST", "SPRINGFIELD", "MA", "01103")


def cases() -> list[Row]:
    """Return rows of usable and of unusable individuals and organizations."""
    return [
        individual(1, last="O'CONNELL-RUIZ"),
        individual(2, {CODE + "1": INTERNAL, SWITCH + "1": "N", CODE + "2": CARDIOLOGY, SWITCH + "2": "Y"}),
        individual(3, where=address("30 E 60TH ST STE 1201", zip_code="100221008")),
        individual(4, last="MCDONALD III", where=address("1 HOSPITAL DR", "SAN JUAN", "PR", "009350000")),
        individual(5, where=address("450 SUTTER ST", "SAN FRANCISCO", "CA", "94108")),
        individual(6, {COUNTRY: "CA"}, where=address("1001 BOUL DECARIE", "MONTREAL", "QUEBEC", "H4A3J1")),
        individual(7, where=address(zip_code="")),
        individual(8, {CODE + "2": INTERNAL, SWITCH + "2": "Y"}),
        individual(9, {CODE + "1": "999Z99999X"}),
        individual(10, {"NPI Deactivation Date": "01/05/2020", "NPI Reactivation Date": "03/09/2020"}),
        deactivated(11),
        organization(12),
        individual(13) | {"NPI": "1000000138"},
    ]


async def test_import_stores_usable_rows_and_lists_rejects(directory: Directory, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    stats = await directory.import_rows(*cases(), rejects=rejects)
    assert stats.used == {"individuals": 7, "organizations": 1, "deactivations": 1}
    assert stats.warnings == {TWO_PRIMARY: 1}
    assert list(csv.reader(rejects.open())) == [
        ["file", "line", "record", "identifier", "field", "value", "reason"],
        ["nppes.csv", "7", "", npi(6), COUNTRY, "CA", "practice address outside the country"],
        ["nppes.csv", "8", "", npi(7), "Provider Business Practice Location Address Postal Code", "", "no ZIP code"],
        ["nppes.csv", "10", "", npi(9), CODE + "1", "999Z99999X", "unknown taxonomy code"],
        ["nppes.csv", "14", "", "1000000138", "NPI", "1000000138", "wrong NPI check digit"],
    ]
    stored = {row["npi"]: row["taxonomy"] for row in await directory.connection.fetch("SELECT * FROM provider")}
    assert set(stored) == {npi(number) for number in (1, 2, 3, 4, 5, 8, 10)}
    assert stored[npi(2)] == CARDIOLOGY


async def test_provider_location_event_contains_address_and_practice(directory: Directory) -> None:
    await directory.import_rows(individual(1), organization(2))
    location = location_id(line1="635 W 165TH ST", line2=None, city="NEW YORK", state="NY", zip5="10032")
    (entity,) = await directory.entities("provider-location")
    assert isinstance(entity, ProviderLocation)
    assert entity.id == provider_location_id(npi(1), location)
    assert entity.location_id == location
    assert (entity.practice_id, entity.practice_name) == (practice_id(npi(2)), "HUDSON DERMATOLOGY")
    assert entity.address.line1 == "635 W 165TH ST"  # as in the file: the refinery normalizes it


async def test_second_import_publishes_nothing(directory: Directory) -> None:
    await directory.import_rows(*cases())
    assert len(await directory.published()) == 19
    stats = await directory.import_rows(*cases())
    assert stats.used.total() == 9
    assert await directory.published() == []


async def test_only_differences_are_published(directory: Directory) -> None:
    await directory.import_rows(individual(1), individual(2), organization(3))
    await directory.published()
    await directory.import_rows(individual(1, last="NEWNAME"), individual(2))
    assert await directory.changes() == [("provider.updated", 2)]
    await directory.import_rows(individual(2, {CODE + "1": DENTIST}))
    assert await directory.changes() == [("provider-location.updated", 2), ("provider.updated", 2)]


async def test_moving_provider_leaves_the_old_address(directory: Directory) -> None:
    await directory.import_rows(individual(1))
    await directory.published()
    await directory.import_rows(individual(1, where=MAIN))
    assert await directory.changes() == [
        ("location.created", 1), ("provider-location.created", 1), ("provider-location.deleted", 2),
    ]  # fmt: skip
    await directory.import_rows(individual(1))
    assert await directory.changes() == [("provider-location.created", 3), ("provider-location.deleted", 2)]


async def test_provider_locations_from_other_sources_stay(directory: Directory) -> None:
    await directory.import_rows(individual(1), individual(2, where=MAIN))
    other = (await directory.one("SELECT id FROM location WHERE line1 = '12 MAIN ST'"))["id"]
    await directory.connection.execute(
        "INSERT INTO provider_location (id, version, npi, location_id, taxonomy) VALUES ($1, 1, $2, $3, $4)",
        *("0190b3c0-0000-7000-8000-000000000001", npi(1), other, DENTIST),
    )
    await directory.import_rows(individual(1, where=address("1 NEW ST")))
    rows = await directory.connection.fetch(
        "SELECT line1 FROM provider_location AS p JOIN location AS l ON l.id = p.location_id "
        "WHERE npi = $1 AND p.deleted_at IS NULL ORDER BY line1",
        npi(1),
    )
    assert [row["line1"] for row in rows] == ["1 NEW ST", "12 MAIN ST"]


async def test_import_confirms_a_pending_provider_location(directory: Directory) -> None:
    """The provider states the address in the registry."""
    await directory.import_rows(individual(1, where=MAIN))
    await directory.connection.execute("UPDATE provider_location SET is_pending = true")
    await directory.import_rows(individual(1, where=MAIN))
    assert await directory.connection.fetchval("SELECT bool_or(is_pending) FROM provider_location") is False


async def test_deactivated_providers_are_deleted_and_reactivated_ones_restored(directory: Directory) -> None:
    await directory.import_rows(individual(1), individual(2))
    await directory.published()
    await directory.import_rows(deactivated(1))
    events = await directory.published()
    assert sorted((event.entity, event.entityversion, event.is_deletion) for event in events) == [
        ("provider", 2, True),
        ("provider-location", 2, True),
    ]
    await directory.import_rows(deactivated(1))
    assert await directory.published() == []
    await directory.import_rows(individual(1))
    assert await directory.changes() == [("provider-location.created", 3), ("provider.created", 3)]


async def test_restored_provider_accepts_no_plans(directory: Directory) -> None:
    await directory.import_rows(individual(1))
    await directory.connection.execute("UPDATE provider_location SET accepted_plans = '{A}', new_patients = true")
    await directory.import_rows(deactivated(1))
    await directory.import_rows(individual(1))
    row = await directory.one("SELECT accepted_plans, new_patients FROM provider_location")
    assert (row["accepted_plans"], row["new_patients"]) == ([], None)


async def test_practice_with_the_lowest_npi_runs_the_location(directory: Directory) -> None:
    await directory.import_rows(individual(1), organization(5, "FIVE"))
    assert str(await directory.practice_at("635 W 165TH ST")) == practice_id(npi(5))
    await directory.published()
    await directory.import_rows(organization(3, "THREE"), organization(7, "SEVEN"))
    assert str(await directory.practice_at("635 W 165TH ST")) == practice_id(npi(3))
    assert await directory.changes() == [
        ("location.updated", 2), ("practice.created", 1), ("practice.created", 1), ("provider-location.updated", 2),
    ]  # fmt: skip
    await directory.import_rows(organization(5, "FIVE"))
    assert await directory.published() == []


async def test_next_practice_gets_the_location_of_a_moved_or_deleted_one(directory: Directory) -> None:
    await directory.import_rows(organization(3), organization(5), individual(1))
    await directory.import_rows(organization(3, where=MAIN))
    assert str(await directory.practice_at("635 W 165TH ST")) == practice_id(npi(5))
    assert str(await directory.practice_at("12 MAIN ST")) == practice_id(npi(3))
    await directory.published()
    await directory.import_rows(deactivated(5))
    assert await directory.practice_at("635 W 165TH ST") is None
    assert {event.subject.partition("/")[0]: event.is_deletion for event in await directory.published()} == {
        "practice": True, "location": False, "provider-location": False,
    }  # fmt: skip


async def test_renamed_practice_updates_provider_locations(directory: Directory) -> None:
    await directory.import_rows(organization(3), individual(1))
    await directory.published()
    await directory.import_rows(organization(3, "NEW NAME"))
    events = [event for event in await directory.published() if event.entity == "provider-location"]
    assert [event.entityversion for event in events] == [2]
    assert b"NEW NAME" in bytes(events[0].data)


@pytest.mark.parametrize(("new", "best"), [(3, 3), (9, 5)])
async def test_lowest_npi_runs_a_new_location_of_a_known_practice(directory: Directory, new: int, best: int) -> None:
    await directory.import_rows(organization(5))
    await directory.import_rows(organization(5, where=MAIN), organization(new, where=MAIN), individual(1, where=MAIN))
    assert str(await directory.practice_at("12 MAIN ST")) == practice_id(npi(best))


async def test_events_of_inserted_rows_match_the_tables(directory: Directory) -> None:
    await directory.import_rows(organization(3), individual(1))
    await directory.published()
    await directory.import_rows(individual(2), individual(4, where=MAIN), organization(5, where=MAIN))
    published = {
        event.subject: event.data for event in await directory.published() if event.entity == "provider-location"
    }
    keys = await directory.connection.fetch("SELECT id FROM provider_location WHERE npi <> $1", npi(1))
    async with directory.connection.transaction():
        publisher = EventPublisher(directory.connection, directory_envelopes(SystemClock(), Uuid7()))
        await publisher.publish(Change(PROVIDER_LOCATIONS, [key["id"] for key in keys], Action.UPDATED))
    assert {event.subject: event.data for event in await directory.published()} == published


async def test_organization_can_become_an_individual(directory: Directory) -> None:
    await directory.import_rows(organization(3))
    await directory.published()
    await directory.import_rows(individual(3))
    assert await directory.changes() == [("provider-location.created", 1), ("provider.created", 1)]


async def test_import_retries_after_a_concurrent_insert(directory: Directory) -> None:
    adding = directory.connection.transaction()
    await adding.start()
    await directory.connection.execute(
        "INSERT INTO provider (npi, version, last_name, first_name, taxonomy) VALUES ($1, 1, 'BY HAND', 'MARIA', $2)",
        *(npi(1), DENTIST),
    )
    importing = asyncio.create_task(directory.import_rows(individual(1)))
    async with asyncio.timeout(30):
        while not await directory.connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await directory.connection.execute("SELECT pg_sleep(0.02)")
        await adding.commit()
        await importing
    assert await directory.changes() == [
        ("location.created", 1), ("provider-location.created", 1), ("provider.updated", 2),
    ]  # fmt: skip


async def test_practice_is_identified_by_its_npi(directory: Directory) -> None:
    await directory.connection.execute(
        "INSERT INTO practice (id, version, npi, name) VALUES ($1, 1, $2, 'BY HAND')",
        *("0190b3c0-0000-7000-8000-000000000002", npi(3)),
    )
    await directory.import_rows(organization(3), individual(1))
    assert str(await directory.practice_at("635 W 165TH ST")) == "0190b3c0-0000-7000-8000-000000000002"
    assert (await directory.one("SELECT name FROM practice"))["name"] == "HUDSON DERMATOLOGY"


async def test_location_gets_the_phone_of_its_practice(directory: Directory) -> None:
    await directory.import_rows(individual(1))
    (entity,) = await directory.entities("location")
    assert isinstance(entity, Location)
    assert entity.phone is None
    await directory.import_rows(organization(3))
    assert (await directory.one("SELECT phone FROM location"))["phone"] == "2123050000"


async def test_outbox_is_in_version_order_of_each_key(directory: Directory) -> None:
    await directory.import_rows(individual(1), organization(9))
    await directory.import_rows(organization(3), individual(1, {CODE + "1": DENTIST}), individual(2))
    last: dict[str, int] = {}
    for event in await directory.published():
        assert event.entityversion == last.get(event.subject, 0) + 1
        last[event.subject] = event.entityversion


@pytest.mark.parametrize("small_bytes", [0, 1 << 30], ids=["process", "thread"])
async def test_interrupted_import_continues(directory: Directory, tmp_path: Path, small_bytes: int) -> None:
    file, rejects = tmp_path / "file.csv", tmp_path / "rejects.csv"
    bad = [individual(100 + number) | {"NPI": "1000000138"} for number in range(3)]
    file.write_text(content([individual(1), bad[0], individual(2), bad[1], individual(3), bad[2], individual(4)]))
    load = functools.partial(directory.import_nppes, file, rejects=rejects, chunk_rows=2, small_bytes=small_bytes)
    left = [2]

    def stop_after_two() -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await load(progress=FakeProgress(stop_after_two))
    with rejects.open("a") as torn:
        torn.write("written but not committed before a crash\n")
    progress = FakeProgress()
    stats = await load(progress=progress)
    assert progress.start_lines == [5]
    assert (stats.used["individuals"], stats.rejected.total()) == (4, 3)
    assert [row["line"] for row in read_rejects(rejects)] == ["3", "5", "7"]
    assert [event.entityversion for event in await directory.published()] == [1] * 9
    again = FakeProgress()
    await directory.import_nppes(file, rejects=rejects, progress=again)
    assert again.start_lines == [0]
    assert await directory.published() == []


@pytest.mark.parametrize("small_bytes", [0, 1 << 30], ids=["process", "thread"])
async def test_rows_before_a_damage_are_imported(directory: Directory, tmp_path: Path, small_bytes: int) -> None:
    file = tmp_path / "file.csv.gz"
    packed = gzip.compress(content(individual(number) for number in range(1, 500)).encode())
    file.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(UnusableFileError, match="damaged after line") as caught:
        await directory.import_nppes(file, small_bytes=small_bytes)
    assert caught.value.stats is not None
    imported = (await directory.one("SELECT count(*) FROM provider"))["count"]
    assert caught.value.stats.used == {"individuals": imported}
    assert imported > 50


async def test_faulty_rows_are_listed_and_the_rest_is_imported(directory: Directory, tmp_path: Path) -> None:
    file, rejects = tmp_path / "file.csv", tmp_path / "rejects.csv"
    rows = [line.encode() for line in content(map(individual, range(1, 8))).splitlines(keepends=True)]
    rows[2] = rows[2].replace(b"MARIA", b"JOS\xc9")
    rows[3] = rows[3].replace(b"MARIA", b"MAR\0IA")
    rows[4] = rows[4].replace(b'"MARIA"', b'"MARIA')
    rows[5] = b"x" * (2 << 20) + b"\n"
    file.write_bytes(b"".join(rows))
    stats = await directory.import_nppes(file, rejects=rejects)
    assert stats.used == {"individuals": 3}
    first = "Provider First Name"
    assert [tuple(row.values())[1:] for row in read_rejects(rejects)] == [
        ("3", "", npi(2), first, "JOS\\xc9", NOT_UTF8),
        ("4", "", npi(3), first, "MAR\\x00IA", NUL),
        ("5", "", npi(4), first, printable(rows[4].decode()[len('"1000000046","1","","","","RUIZ",') :]), AFTER_QUOTE),
        ("6", "", "x" * 200 + "…", "", "x" * 200 + "…", LONG_LINE),
    ]


async def test_interrupted_import_continues_its_list_of_rejects(directory: Directory, tmp_path: Path) -> None:
    file, first, second = tmp_path / "file.csv", tmp_path / "first.csv", tmp_path / "second.csv"
    bad = individual(1) | {"NPI": "1000000138"}
    file.write_text(content([individual(1), bad, individual(2), bad]))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await directory.import_nppes(file, rejects=first, chunk_rows=2, progress=FakeProgress(stop))
    await directory.import_nppes(file, rejects=second)
    assert [row["line"] for row in read_rejects(second)] == ["3", "5"]


async def test_list_of_rejects_is_removed_when_there_are_none(directory: Directory, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    await directory.import_rows(individual(1) | {"NPI": ""}, rejects=rejects)
    assert len(read_rejects(rejects)) == 1
    await directory.import_rows(individual(1), rejects=rejects)
    assert not rejects.exists()


async def test_list_of_rejects_never_replaces_the_input(directory: Directory, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text(content([individual(1)]))
    with pytest.raises(UnusableFileError, match="--rejects"):
        await directory.import_nppes(file, rejects=tmp_path / "." / "file.csv")
    assert file.read_text() == content([individual(1)])


async def test_only_one_import_runs_at_a_time(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace_directory.bulk_import.session.LOCK_SECONDS", 1.0)
    await directory.connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    with pytest.raises(ImportRunningError):
        await directory.import_rows(individual(1))


async def test_import_requires_migrated_tables(postgres_dsn: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    with pytest.raises(ImportDatabaseError, match="millrace init"):
        await Directory(postgres_dsn, connection, tmp_path).import_rows(individual(1))
    await connection.close()


async def test_envelopes_carry_the_span_of_their_batch(
    directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_tracer", TracerProvider().get_tracer("test"))
    file = tmp_path / "file.csv"
    file.write_text(content([individual(1), individual(2, where=MAIN)]))
    await directory.import_nppes(file, chunk_rows=1)
    carried = [event.traceparent for event in await directory.published()]
    assert None not in carried
    assert carried[:3] == [carried[0]] * 3
    assert len(set(carried)) == 2


def test_event_ids_are_unique_and_ascending() -> None:
    ids = fast_ids()
    made = [ids() for _ in range(3 * 16**COUNTED_DIGITS)]
    assert made == sorted(set(made), key=str)
    assert {(UUID(str(each)).version, UUID(str(each)).variant) for each in made} == {(7, RFC_4122)}
