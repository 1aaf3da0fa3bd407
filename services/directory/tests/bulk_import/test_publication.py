"""Import of a whole NPPES publication: the main file, secondary practice locations, and other names."""

import csv
import functools
import gzip
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from millrace_contracts.entities import practice_id
from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.stats import ImportStats
from millrace_directory.nppes import staged_files
from millrace_directory.nppes.parts import Part, PartFile, find_parts
from millrace_reference.nppes import OTHER_NAME_COLUMNS, PRACTICE_LOCATION_COLUMNS
from services.directory.tests.running import npi

from .support import (
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

MAIN, PLACES, NAMES = "npidata_pfile_1.csv", "pl_pfile_1.csv", "othername_pfile_1.csv"
SPRINGFIELD = ("12 MAIN ST", "SPRINGFIELD", "MA", "01103")
BOULDER = ("9 SECOND ST", "BOULDER", "CO", "803010000")
AURORA = ("12 THIRD ST", "AURORA", "CO", "800100000")


def place(
    number: int, where: Sequence[str] = BOULDER, phone: str = "", line2: str = "", country: str = "US"
) -> list[str]:
    line1, city, state, zip_code = where
    return [npi(number), line1, line2, city, state, zip_code, country, phone, "", ""]


def name(number: int, text: str, kind: str = "3") -> list[str]:
    return [npi(number), text, kind, "01/02/2020"]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    # CMS writes "Address- Address Line 1" and "Address-  Address Line 2".
    writer.writerow([column.replace("Address - Address", "Address-  Address") for column in columns])
    writer.writerows(rows)
    return buffer.getvalue()


def publication(
    main: Iterable[Row], places: Iterable[Sequence[str]] | None = (), names: Iterable[Sequence[str]] | None = ()
) -> dict[str, str]:
    files = {MAIN: content(main)}
    if places is not None:
        files[PLACES] = table(PRACTICE_LOCATION_COLUMNS, places)
    if names is not None:
        files[NAMES] = table(OTHER_NAME_COLUMNS, names)
    return files


def write_zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
            archive.writestr(file.replace(".csv", "_fileheader.csv"), text.splitlines()[0])
    return path


async def load(directory: Directory, files: dict[str, str]) -> ImportStats:
    return await directory.import_nppes(write_zip(directory.home / "nppes.zip", files))


async def sees_patients_at(directory: Directory, number: int) -> list[tuple[str, str | None]]:
    """Return the first line of the addresses of a provider, with the phone there."""
    rows = await directory.connection.fetch(
        "SELECT line1, p.phone FROM provider_location AS p JOIN location AS l ON l.id = p.location_id "
        "WHERE npi = $1 AND p.deleted_at IS NULL ORDER BY line1",
        npi(number),
    )
    return [(row["line1"], row["phone"]) for row in rows]


async def test_provider_sees_patients_at_all_locations(directory: Directory) -> None:
    stats = await load(
        directory,
        publication(
            [individual(1), individual(2)],
            [place(1, phone="3035550111"), place(2, AURORA), place(1, AURORA, line2="STE 4")],
        ),
    )
    assert stats.used == {"individuals": 2, "secondary locations": 3}
    assert await sees_patients_at(directory, 1) == [
        ("12 THIRD ST", None), ("635 W 165TH ST", "2123050000"), ("9 SECOND ST", "3035550111"),
    ]  # fmt: skip
    assert await sees_patients_at(directory, 2) == [("12 THIRD ST", None), ("635 W 165TH ST", "2123050000")]
    assert (await directory.one("SELECT count(*) FROM location"))["count"] == 4, "AURORA with and without suite"


async def test_spellings_of_an_address_are_one_location_that_shows_the_first(directory: Directory) -> None:
    spellings = ("1600 W COLFAX AVE.", "1600 W COLFAX AVE", "1600 West Colfax Avenue")
    denver = ("DENVER", "CO", "80202")
    await directory.import_rows(*(individual(n, where=address(line1, *denver)) for n, line1 in enumerate(spellings, 1)))
    assert (await directory.one("SELECT line1 FROM location"))["line1"] == spellings[0]
    await directory.import_rows(individual(3, where=address(spellings[2], *denver)))
    assert (await directory.one("SELECT line1 FROM location"))["line1"] == spellings[0]
    assert (await directory.one("SELECT count(*) FROM provider_location"))["count"] == 3


async def test_second_import_of_a_publication_publishes_nothing(directory: Directory) -> None:
    files = publication(
        [individual(1), organization(3), organization(5)],
        [place(1), place(3, AURORA, "3035550112"), place(1, ("635 West 165th Street", "NEW YORK", "NY", "10032"))],
        [name(3, "EXAMPLE FAMILY CLINIC")],
    )
    await load(directory, files)
    assert len(await directory.published()) == 8
    assert len(await sees_patients_at(directory, 1)) == 2, "another spelling of the first location is the same one"
    await load(directory, files)
    assert await directory.published() == []


async def test_next_publication_replaces_the_secondary_locations_of_its_npis(directory: Directory) -> None:
    await load(directory, publication([individual(1), individual(2)], [place(1), place(2), place(2, AURORA)]))
    await directory.published()
    await load(directory, publication([individual(1), individual(2)], [place(2, AURORA)]))
    assert await directory.changes() == [("provider-location.deleted", 2), ("provider-location.deleted", 2)]
    assert [line1 for line1, _ in await sees_patients_at(directory, 1)] == ["635 W 165TH ST"]
    await load(directory, publication([individual(2)]))
    assert [line1 for line1, _ in await sees_patients_at(directory, 2)] == ["635 W 165TH ST"]


async def test_main_file_alone_leaves_secondary_locations(directory: Directory) -> None:
    await load(directory, publication([individual(1)], [place(1)]))
    await directory.import_rows(individual(1, where=address(*SPRINGFIELD)))
    assert [line1 for line1, _ in await sees_patients_at(directory, 1)] == ["12 MAIN ST", "9 SECOND ST"]


async def test_first_and_secondary_location_can_change_places(directory: Directory) -> None:
    await load(directory, publication([individual(1)], [place(1)]))
    await directory.published()
    here = ("635 W 165TH ST", "NEW YORK", "NY", "100323724")
    await load(directory, publication([individual(1, where=address(*BOULDER))], [place(1, here)]))
    assert [kind for kind, _ in await directory.changes()] == ["provider-location.updated"] * 2, "only the phones"
    assert len(await sees_patients_at(directory, 1)) == 2


async def test_organization_runs_its_secondary_locations(directory: Directory) -> None:
    await load(
        directory,
        publication(
            [organization(3), organization(5, "FIVE", address(*AURORA)), individual(1, where=address(*AURORA))],
            [place(3, phone="3035550111"), place(3, AURORA, "3035550112")],
        ),
    )
    assert str(await directory.practice_at("9 SECOND ST")) == practice_id(npi(3))
    assert str(await directory.practice_at("12 THIRD ST")) == practice_id(npi(5)), "its primary address is there"
    phones = {row["line1"]: row["phone"] for row in await directory.connection.fetch("SELECT * FROM location")}
    assert phones["9 SECOND ST"] == "3035550111"
    await load(directory, publication([organization(3), deactivated(5)], [place(3, AURORA, "3035550112")]))
    assert await directory.practice_at("9 SECOND ST") is None
    assert str(await directory.practice_at("12 THIRD ST")) == practice_id(npi(3))


async def test_practice_has_the_name_under_which_it_does_business(directory: Directory) -> None:
    own = {"Provider Other Organization Name": "OWN NAME", "Provider Other Organization Name Type Code": "3"}
    legal = {"Provider Other Organization Name": "OLD", "Provider Other Organization Name Type Code": "4"}
    stats = await load(
        directory,
        publication(
            [organization(1), organization(2) | own, organization(3) | legal],
            names=[
                name(1, "FIRST CLINIC"), name(1, "SECOND CLINIC"), name(2, "OTHER"), name(3, "FORMER", "4"),
                name(3, "ANY", "5"),
            ],
        ),
    )  # fmt: skip
    names = {row["npi"]: row["name"] for row in await directory.connection.fetch("SELECT npi, name FROM practice")}
    assert names == {npi(1): "FIRST CLINIC", npi(2): "OWN NAME", npi(3): "HUDSON DERMATOLOGY"}
    assert stats.used["other names"] == 3
    assert stats.warnings == {"former and other names: ignored": 2}


async def test_unusable_rows_of_reference_files_are_rejected(directory: Directory) -> None:
    stats = await load(
        directory,
        publication(
            [individual(1), individual(2, where=address(zip_code=""))],
            [
                place(9), place(1, ("1 ST", "X", "CO", "")), place(2), place(1), place(1, BOULDER, country="CA"),
                [*place(1)[:-2]], place(1, ("", "BOULDER", "CO", "80301")),
            ],
            [name(9, "NOBODY"), name(1, "")],
        ),
    )  # fmt: skip
    assert stats.used == {"individuals": 1, "secondary locations": 1}
    listed = [(row["file"], row["line"], row["reason"]) for row in read_rejects(directory.home / "rejects.csv")]
    assert sorted(listed) == sorted(
        [
            (MAIN, "3", "no ZIP code"),
            (PLACES, "2", staged_files.UNKNOWN_NPI),
            (PLACES, "3", "no ZIP code"),
            (PLACES, "4", staged_files.UNKNOWN_NPI),
            (PLACES, "6", "practice address outside the country"),
            (PLACES, "7", "wrong number of fields"),
            (PLACES, "8", "no practice address"),
            (NAMES, "2", staged_files.UNKNOWN_NPI),
            (NAMES, "3", "no name"),
        ]
    )


async def test_secondary_locations_of_npis_that_only_the_directory_has_are_used(directory: Directory) -> None:
    await directory.import_rows(individual(1), organization(3))
    await directory.published()
    stats = await load(directory, publication([individual(2)], [place(1), place(3, AURORA), place(4)]))
    assert len(await sees_patients_at(directory, 1)) == 2
    assert str(await directory.practice_at("12 THIRD ST")) == practice_id(npi(3))
    assert stats.used["secondary locations"] == 2
    assert stats.rejected == {staged_files.UNKNOWN_NPI: 1}


async def test_too_many_rows_of_one_npi_are_rejected(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_files, "MAX_ROWS_OF_NPI", 2)
    places = [place(1, (f"{number} MAIN ST", *BOULDER[1:])) for number in range(1, 5)]
    stats = await load(directory, publication([individual(1)], places))
    assert [line1 for line1, _ in await sees_patients_at(directory, 1)] == ["1 MAIN ST", "2 MAIN ST", "635 W 165TH ST"]
    assert stats.rejected == {staged_files.TOO_MANY: 2}


@pytest.mark.parametrize("small_bytes", [0, 1 << 30], ids=["process", "thread"])
async def test_interrupted_publication_continues(directory: Directory, small_bytes: int) -> None:
    main = [individual(number) for number in range(1, 6)]
    bad = place(1, ("1 ST", "X", "CO", ""))
    file = write_zip(directory.home / "a.zip", publication(main, [*(place(n) for n in range(1, 6)), bad, place(9)]))
    load_file = functools.partial(directory.import_nppes, file, chunk_rows=2, small_bytes=small_bytes)
    left = [4]

    def stop() -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await load_file(progress=FakeProgress(stop))
    progress = FakeProgress()
    stats = await load_file(progress=progress)
    assert progress.start_lines[0] > 1, "the main file isn't read from the beginning"
    assert stats.used == {"individuals": 5, "secondary locations": 5}
    assert stats.rejected == {"no ZIP code": 1, staged_files.UNKNOWN_NPI: 1}
    assert len(read_rejects(directory.home / "rejects.csv")) == 2
    assert {event.entityversion for event in await directory.published()} == {1}
    left_rows = (
        "SELECT (SELECT count(*) FROM nppes_practice_location) + (SELECT count(*) FROM nppes_other_name) AS count"
    )
    assert (await directory.one(left_rows))["count"] == 0


async def test_import_restarts_if_another_one_replaced_its_reference_files(directory: Directory) -> None:
    main = [individual(number) for number in range(1, 4)]
    file = write_zip(directory.home / "a.zip", publication(main, [place(3)]))

    def stop() -> None:
        raise KeyboardInterrupt

    left = [3]

    def stop_later() -> None:
        left[0] -= 1
        if not left[0]:
            stop()

    with pytest.raises(KeyboardInterrupt):
        await directory.import_nppes(file, chunk_rows=1, progress=FakeProgress(stop_later))
    await load(directory, publication([individual(7)], [place(7)]))
    progress = FakeProgress()
    stats = await directory.import_nppes(file, progress=progress)
    assert progress.start_lines == [0]
    assert stats.used == {"individuals": 3, "secondary locations": 1}
    assert len(await sees_patients_at(directory, 3)) == 2


async def test_parts_can_be_loose_files_in_any_order(directory: Directory, tmp_path: Path) -> None:
    files = publication([individual(1), organization(3)], [place(1)], [name(3, "CLINIC")])
    paths = [tmp_path / "names.csv", tmp_path / "places.csv.gz", tmp_path / "main.csv", tmp_path / "x_fileheader.csv"]
    paths[0].write_text(files[NAMES])
    paths[1].write_bytes(gzip.compress(files[PLACES].encode()))
    paths[2].write_text(files[MAIN])
    paths[3].write_text(files[MAIN].splitlines()[0])
    found = {part: file.path for part, file in find_parts(paths).items()}
    assert found == {Part.OTHER_NAMES: paths[0], Part.PRACTICE_LOCATIONS: paths[1], Part.MAIN: paths[2]}
    await directory.import_nppes(*paths)
    assert len(await sees_patients_at(directory, 1)) == 2
    assert (await directory.one("SELECT name FROM practice"))["name"] == "CLINIC"


def test_main_file_is_required_and_each_part_once(tmp_path: Path) -> None:
    files = publication([individual(1)], [place(1)])
    main, places = tmp_path / "main.csv", tmp_path / "places.csv"
    main.write_text(files[MAIN])
    places.write_text(files[PLACES])
    with pytest.raises(UnusableFileError, match="main file is missing"):
        find_parts([places])
    with pytest.raises(UnusableFileError, match="Give one of them"):
        find_parts([main, places, write_zip(tmp_path / "all.zip", files)])
    other = tmp_path / "other.csv"
    other.write_text("id,name\n1,2\n")
    with pytest.raises(UnusableFileError, match="isn't that of an NPPES file"):
        find_parts([main, other])


def test_reference_file_without_a_column_is_unusable(tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text(table(PRACTICE_LOCATION_COLUMNS[:5], []))
    with pytest.raises(UnusableFileError, match="lacks"):
        staged_files.check_layouts({Part.PRACTICE_LOCATIONS: PartFile(file, file.name)})
