"""Reading of published files: plain, compressed, damaged."""

import gzip
import json
import pickle
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.rejects import RejectedRowError
from millrace_directory.nppes.chunks import Chunk, ChunkReader
from millrace_directory.nppes.csv_rows import AFTER_QUOTE, LINE_BREAK, LONG_FIELD, QUOTE, WRONG_WIDTH, CsvRows
from millrace_directory.nppes.source import LineSource, digest_of
from millrace_directory.qhp import json_array
from millrace_directory.qhp.json_array import AFTER_ARRAY, LONG_NUMBER, LONG_RECORD, NOT_JSON, TOO_DEEP, JsonArray
from services.directory.tests.running import npi

from .support import content, deactivated, individual, organization

TEXT = content(individual(number) for number in range(1, 8))


@pytest.fixture(params=["plain", "gzip", "zip"])
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same file in each published format."""
    file = tmp_path / "npidata_pfile_20050523-20260607.csv"
    if request.param == "plain":
        file.write_text(TEXT)
        return file
    if request.param == "gzip":
        packed = tmp_path / "npidata.csv.gz"
        packed.write_bytes(gzip.compress(TEXT.encode()))
        return packed
    archive = tmp_path / "NPPES_Data_Dissemination_June_2026_V2.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("npidata_pfile_20050523-20260607_fileheader.csv", "NPI\n")
        zipped.writestr("othername_pfile_20050523-20260607.csv", "NPI\n")
        zipped.writestr("npidata_pfile_20050523-20260607.csv", TEXT)
        zipped.writestr("NPPES_Readme.pdf", "")
    return archive


def read_all(file: Path) -> list[Chunk]:
    with LineSource(file) as source:
        return list(iter(ChunkReader(source).next, None))


def test_reading_can_continue_in_every_file_format(published: Path) -> None:
    with LineSource(published) as source:
        reader = ChunkReader(source, size=3)
        first, second = reader.next(), reader.next()
        assert first is not None
        assert second is not None
    with LineSource(published) as source:
        reader = ChunkReader(source, size=3)
        reader.skip_to(first.offset, first.line)
        again = reader.next()
    assert again is not None
    assert (list(again.individuals), again.offset, again.line) == (list(second.individuals), second.offset, 7)


def test_limit_bounds_the_rows(published: Path) -> None:
    with LineSource(published) as source:
        reader = ChunkReader(source, size=3, limit=5)
        counts = [len(chunk.individuals) for chunk in iter(reader.next, None)]
    assert counts == [3, 2]


def test_pickled_chunk_is_equal(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    odd = {"Healthcare Provider Primary Taxonomy Switch_1": "N"}
    file.write_text(content([individual(1, odd), organization(2), deactivated(3), individual(4) | {"NPI": "1"}]))
    (chunk,) = read_all(file)
    assert pickle.loads(pickle.dumps(chunk)) == chunk  # noqa: S301 # made here


def test_last_row_of_an_npi_is_used(tmp_path: Path) -> None:
    file = tmp_path / "twice.csv"
    file.write_text(content([individual(1, last="FIRST"), individual(1, last="SECOND")]))
    (chunk,) = read_all(file)
    assert [each.provider.last_name for each in chunk.individuals.values()] == ["SECOND"]


def read_rows(tmp_path: Path, text: str, width: int = 4) -> list[list[str] | tuple[int, str, str, str, str]]:
    """Return the rows, and for each reject (line, identifier, field, value, reason)."""
    file = tmp_path / "rows.csv"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    read: list[list[str] | tuple[int, str, str, str, str]] = []
    with LineSource(file) as source:
        rows = CsvRows(source, ["NPI", *"abcdefg"[: width - 1]], "NPI")
        while True:
            try:
                read.append(next(rows))
            except RejectedRowError as error:
                read.append((rows.line, rows.identifier, error.field, error.value, error.reason))
            except StopIteration:
                return read


ONE, TWO, THREE, FOUR = map(npi, range(1, 5))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (f'{ONE},"a ""b""",,c\n{TWO},d,e,f', [[ONE, 'a "b"', "", "c"], [TWO, "d", "e", "f"]]),
        (f'{ONE},"a\nb",,c\n', [[ONE, "a\nb", "", "c"]]),
        (f"{ONE},a,b,c\n\r\n\n{TWO},d,e,f\n", [[ONE, "a", "b", "c"], [TWO, "d", "e", "f"]]),
        (f'{ONE},5" PIPE,b,c\n', [[ONE, '5" PIPE', "b", "c"]]),
        (
            f'{ONE},a,"b,c\n{TWO},d,e,f\n{THREE},"g,h,i\n{FOUR},j,k,l\n',
            [(1, ONE, "b", '"b,c', QUOTE), [TWO, "d", "e", "f"], (3, THREE, "a", '"g,h,i', QUOTE), [FOUR, *"jkl"]],
        ),
        (f'{ONE},"a,b,c\nnot a record\n{TWO},d,e,f', [
            (1, ONE, "a", '"a,b,c', QUOTE),
            (2, "not a record", "", "1 instead of 4", WRONG_WIDTH),
            [TWO, "d", "e", "f"],
        ]),
        (f'{ONE},"a"b,c,d\n{TWO},d,e,f', [(1, ONE, "a", '"a"b,c,d', AFTER_QUOTE), [TWO, "d", "e", "f"]]),
        (f"{ONE},a\rb,c,d\n{TWO},d,e,f", [(1, ONE, "a", "a\\rb", LINE_BREAK), [TWO, "d", "e", "f"]]),
        (f"{ONE},a,b\n{TWO},d,e,f", [(1, ONE, "", "3 instead of 4", WRONG_WIDTH), [TWO, "d", "e", "f"]]),
        (f"{ONE},{'x' * 140_000},b,c\n{TWO},d,e,f", [(1, ONE, "", f"{ONE},{'x' * 189}…", LONG_FIELD), [TWO, *"def"]]),
        (f"{ONE},\udcdc,b,c\n", [[ONE, "\udcdc", "b", "c"]]),
        (f'{ONE},a,b,"c', [(1, ONE, "c", '"c', QUOTE)]),
    ],
)  # fmt: skip
def test_faulty_line_is_rejected_alone(tmp_path: Path, text: str, rows: list[Any]) -> None:
    assert read_rows(tmp_path, text) == rows


def test_open_quote_can_not_take_in_many_lines(tmp_path: Path) -> None:
    lines = [f'{ONE},"a,b,c', *["no record"] * 300]
    assert [row[0] for row in read_rows(tmp_path, "\n".join(lines))] == list(range(1, 302))


@given(st.lists(st.text('12",\n\r a\0é\udcff', max_size=12), max_size=12))
def test_all_lines_are_read_once(lines: list[str]) -> None:
    text = "".join(f"{npi(number)},{line}\n" for number, line in enumerate(lines, 1))
    with tempfile.TemporaryDirectory() as directory:
        read = read_rows(Path(directory), text, width=2)
    found = [row[0] if isinstance(row, list) else row[1] for row in read]
    assert [each for each in found if each.startswith("1") and len(each) == 10][: len(lines)] == [
        npi(number) for number in range(1, len(lines) + 1)
    ]


def test_line_breaks_in_fields_keep_the_position_correct(tmp_path: Path) -> None:
    file = tmp_path / "breaks.csv"
    file.write_text(content([individual(1, last="A\nB"), individual(2)]))
    with LineSource(file) as source:
        reader = ChunkReader(source, size=1)
        first = reader.next()
        assert first is not None
        assert [each.provider.last_name for each in first.individuals.values()] == ["A B"]
        assert first.line == 3
        reader.skip_to(first.offset, first.line)
        second = reader.next()
    assert second is not None
    assert not second.rejects


def test_different_files_have_different_digests(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    seen: list[int] = []
    assert digest_of(tmp_path / "a", seen.append) != digest_of(tmp_path / "b", seen.append)
    assert seen == [1, 1]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.csv", b"", "empty"),
        ("other.csv", b"id,name\n", "header isn't that of an NPPES file"),
        ("cut.csv.gz", gzip.compress(TEXT.encode())[:200], "damaged|can't be read"),
        ("not.zip", b"PK\x03\x04 no archive", "can't be read"),
        ("long.csv", b"x" * (2 << 20), "header isn't that of an NPPES file"),
        ("wide.csv", TEXT.encode("utf-16"), "UTF-16"),
    ],
)
def test_unusable_files_are_rejected(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(UnusableFileError, match=message):
        read_all(file)


@pytest.mark.parametrize("spoil", [slice(-40, -20), slice(20, 40)], ids=["end", "begin"])
def test_damaged_lzma_member_is_rejected(tmp_path: Path, spoil: slice) -> None:
    file, member = tmp_path / "damaged.zip", "npidata_pfile_20050523-20260607.csv"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as zipped:
        zipped.writestr(member, TEXT)
        begin = 30 + len(member)
        size = zipped.infolist()[0].compress_size
    data = bytearray(file.read_bytes())
    packed = data[begin : begin + size]
    packed[spoil] = bytes(20)
    file.write_bytes(data[:begin] + packed + data[begin + size :])
    with pytest.raises(UnusableFileError, match=r"damaged|can't be read"):
        read_all(file)


@pytest.mark.parametrize(("at", "value"), [(6, 1), (8, 97)], ids=["password", "unknown method"])
def test_encrypted_or_unknown_member_is_rejected(tmp_path: Path, at: int, value: int) -> None:
    file = tmp_path / "locked.zip"
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("npidata_pfile_20050523-20260607.csv", TEXT)
    data = bytearray(file.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[at] = data[directory + at + 2] = value
    file.write_bytes(data)
    with pytest.raises(UnusableFileError, match="can't be read"), LineSource(file):
        pass


def test_zip_without_the_data_file_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "other.zip"
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("readme.txt", "")
    with pytest.raises(UnusableFileError, match="contains 0 files"), LineSource(file):
        pass


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="No such file"), LineSource(tmp_path / "none.csv"):
        pass
    with pytest.raises(UnusableFileError, match="No such file"):
        list(JsonArray(tmp_path / "none.json"))


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=12), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=30), st.booleans(), st.booleans())
def test_json_array_yields_its_elements(elements: list[dict[str, Any]], pretty: bool, packed: bool) -> None:
    data = json.dumps(elements, ensure_ascii=False, indent=2 if pretty else None).encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        file = Path(directory) / "array.json"
        file.write_bytes(gzip.compress(data) if packed else data)
        patch.setattr(json_array, "_BLOCK", 7)
        read = list(JsonArray(file))
    assert [(element.number, element.value) for element in read] == list(enumerate(elements, 1))


@pytest.mark.parametrize("text", ["", "{}", '"npi"'])
def test_other_json_is_rejected(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(UnusableFileError, match="not a JSON array"):
        list(JsonArray(file))


@pytest.mark.parametrize(("text", "whole"), [("[{}", 1), ('[{}, {"npi": ', 1), ("[1 2", 2), ('[{}, {"a": "b', 1)])
def test_elements_before_the_end_of_a_cut_file_are_read(tmp_path: Path, text: str, whole: int) -> None:
    file = tmp_path / "cut.json"
    file.write_text(text)
    read = []
    with pytest.raises(UnusableFileError, match="cut short"):
        for element in JsonArray(file):
            read.append(element.value)  # the iterator raises
    assert len(read) == whole


GOOD = '{"npi": 1}'


@pytest.mark.parametrize(
    ("faulty", "reason"),
    [
        ("oops", NOT_JSON),
        ('{"npi": 1, "name": {"last": "A}}', NOT_JSON),
        ('{"npi": 1, "name": "A""}', NOT_JSON),
        ('{"npi": 1, "plans": [{"id": 2}, {"id": 3}', NOT_JSON),
        ('{"npi": 1, "plans": [{"id": 2}, {"id": 3}]]}', NOT_JSON),
        ('{"npi": 1,, "plans": "}, {"}', NOT_JSON),
        ('{"npi": 1, "name": "\\q"}', NOT_JSON),
        ('{"npi": 1, "name": "a\nb"}', NOT_JSON),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, TOO_DEEP),
        ("[" * 100_000 + "]" * 100_000, TOO_DEEP),
        ('{"npi": ' + "[" * 100_000 + "}", TOO_DEEP),
        ('{"npi": ' + "9" * 5_000 + "}", LONG_NUMBER),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block", [97, 1 << 18])
def test_faulty_element_is_rejected_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faulty: str, reason: str, block: int
) -> None:
    monkeypatch.setattr(json_array, "_BLOCK", block if len(faulty) < 1_000 else 1 << 18)
    file = tmp_path / "faulty.json"
    file.write_text(f"[{GOOD},\n{faulty},\n{faulty},\n{GOOD}\n,{GOOD}]\n")
    read = list(JsonArray(file))
    assert [element.fault.reason if element.fault else element.value for element in read] == [
        {"npi": 1}, reason, reason, {"npi": 1}, {"npi": 1},
    ]  # fmt: skip
    lines = faulty.count("\n")
    assert [element.line for element in read] == [1, 2, 3 + lines, 4 + 2 * lines, 5 + 2 * lines]


def test_overlong_element_is_rejected_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "_LONGEST_ELEMENT", 5_000)
    monkeypatch.setattr(json_array, "_BLOCK", 300)
    file = tmp_path / "long.json"
    file.write_text(f'[{GOOD}, {{"npi": "{"x" * 20_000}"}}, {GOOD}]')
    faults = [element.fault and element.fault.reason for element in JsonArray(file)]
    assert faults == [None, LONG_RECORD, None]


def test_text_after_the_array_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "two.json"
    file.write_text(f"[{GOOD}]\n[{GOOD}]")
    read = list(JsonArray(file))
    assert [element.fault and element.fault.reason for element in read] == [None, AFTER_ARRAY, None]
    assert read[2].value == [{"npi": 1}]


@given(st.text('[]{}",:1a\\ \n', max_size=60))
def test_every_text_ends(text: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "any.json"
        file.write_text(f"[{GOOD}, {text}")
        try:
            numbers = [element.number for element in JsonArray(file)]
        except UnusableFileError:
            return
    assert numbers == list(range(1, len(numbers) + 1))
