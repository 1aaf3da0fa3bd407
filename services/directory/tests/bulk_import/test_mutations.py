"""Imports of files with random faults: each row is used or rejected, and no import ends with another error."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.rejects import HEADER, Reject, RejectedRowError, RejectsFile
from millrace_directory.nppes.chunks import Chunk, ChunkReader
from millrace_directory.nppes.source import LineSource
from millrace_directory.qhp.chunks import QhpChunk, chunks_of, read_element, reject_of
from millrace_directory.qhp.json_array import JsonArray
from millrace_directory.qhp.records import read_plan

from .support import Directory, content, deactivated, individual, organization, read_rejects
from .test_qhp import facility, person, plan

NPPES = content([*map(individual, range(1, 6)), *map(organization, range(6, 8)), deactivated(8)]).encode()
HEADER_BYTES = NPPES.index(b"\n") + 1
PROVIDERS = json.dumps([*map(person, range(1, 5)), facility(5)], indent=1).encode()
PLANS = json.dumps([plan(), plan("P2", years=["2026"])]).encode()
PIECES = [
    *(bytes([byte]) for byte in b'\0\n\r",{}[]\\:\xdc\x1b\xef\xbf0a'),
    b"\\u0000", b"\\ud800", b'""', b'"\n"', b"9" * 5_000, b"[" * 3_000, b"{", b"null", b"-1e999", b"NaN", b"202612",
    "\ufffd".encode(), b"x" * 300,
]  # fmt: skip
Change = tuple[float, int, bytes]
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(PIECES)), min_size=1, max_size=4)


def mutate(data: bytes, changes: list[Change], start: int = 0) -> bytes:
    """Replace pieces after `start`: each change has a place from 0 to 1, a number of bytes, and the new bytes."""
    for place, length, piece in changes:
        at = start + int(place * (len(data) - start))
        data = data[:at] + piece + data[at + length :]
    return data


def read_file(data: bytes, read: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "file"
        file.write_bytes(data)
        read(file)


def assert_listed(rejects: list[Reject]) -> None:
    """Assert that the rejects can be written, and are read again as they were."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "rejects.csv"
        with RejectsFile(file) as written:
            written.write(rejects)
        listed = read_rejects(file)
    assert [row["reason"] for row in listed] == [each.reason for each in rejects]
    assert all(tuple(row) == HEADER and all(row["line"]) for row in listed)
    assert all(each.identifier.isprintable() and each.value.isprintable() for each in rejects)


@given(CHANGES)
def test_each_row_of_an_nppes_file_is_used_or_rejected(changes: list[Change]) -> None:
    data = mutate(NPPES, changes, HEADER_BYTES)

    def read(file: Path) -> None:
        with LineSource(file) as source:
            chunks = list(iter(ChunkReader(source, size=3).next, None))
        covered, rest = data[: chunks[-1].offset], data[chunks[-1].offset :]
        assert not rest.strip()  # a full chunk doesn't look for blank lines behind it
        assert chunks[-1].line == covered.count(b"\n") + (not covered.endswith(b"\n"))
        used = sum(chunk.stats.used.total() for chunk in chunks)
        rejected = [reject for chunk in chunks for reject in chunk.rejects]
        breaks = sum(line.strip() == b"" for line in data.splitlines()[1:])
        assert 8 - 4 * len(changes) <= used + len(rejected) <= 8 + 4 * len(changes) + breaks
        assert used >= 8 - 2 * len(changes)
        assert_listed(rejected)
        for chunk in chunks:
            assert Chunk.unpack(chunk.__reduce__()[1][0]) == chunk

    read_file(data, read)


@given(CHANGES)
def test_each_record_of_a_qhp_file_is_used_or_rejected(changes: list[Change]) -> None:
    def read(file: Path) -> None:
        chunks: list[QhpChunk] = []
        try:
            chunks.extend(chunks_of(JsonArray(file)))
        except UnusableFileError:
            return
        numbers = [place.number for chunk in chunks for place in (*chunk.individuals, *chunk.facilities)]
        rejects = [reject for chunk in chunks for reject in chunk.rejects]
        found = sorted([*numbers, *(each.record for each in rejects)])
        assert found == list(range(1, len(found) + 1))
        assert_listed(rejects)

    read_file(mutate(PROVIDERS, changes), read)


@given(CHANGES)
def test_each_plan_of_a_qhp_file_is_used_or_rejected(changes: list[Change]) -> None:
    def read(file: Path) -> None:
        array = JsonArray(file)
        rejects: list[Reject] = []
        try:
            for element in array:
                try:
                    read_element(element, read_plan)
                except RejectedRowError as error:
                    rejects.append(reject_of(error, array.name, element))
        except UnusableFileError:
            return
        assert_listed(rejects)

    read_file(mutate(PLANS, changes), read)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES, CHANGES, CHANGES)
async def test_database_accepts_what_is_used(
    directory: Directory, nppes: list[Change], providers: list[Change], plans: list[Change]
) -> None:
    files = directory.home / "nppes.csv", directory.home / "providers.json", directory.home / "plans.json"
    data = mutate(NPPES, nppes, HEADER_BYTES), mutate(PROVIDERS, providers), mutate(PLANS, plans)
    for file, content_of_file in zip(files, data, strict=True):
        file.write_bytes(content_of_file)
    stats = await directory.import_nppes(files[0])
    assert len(read_rejects(directory.home / "rejects.csv")) == stats.rejected.total()
    try:
        stats = await directory.import_qhp(files[1], files[2])
    except UnusableFileError:
        return
    listed = read_rejects(directory.home / "rejects.csv")
    assert len(listed) == stats.rejected.total() + stats.warnings.total()
