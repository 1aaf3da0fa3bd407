"""`millrace import` at the command line."""

import asyncio
import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace_directory.cli import app

from .support import Directory, content, individual, read_rejects


@pytest.fixture
def runner(directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_DIRECTORY_DATABASE_URL", directory.dsn)
    return CliRunner()


async def invoke(runner: CliRunner, *arguments: str) -> tuple[int, str, str]:
    """Run a command in a thread, as it starts an event loop; return exit code, stdout and stderr."""
    result = await asyncio.to_thread(runner.invoke, app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


async def test_summary_lists_rejects_by_reason(runner: CliRunner, tmp_path: Path) -> None:
    file, rejects = tmp_path / "file.csv", tmp_path / "rejects.csv"
    file.write_text(content([individual(1), individual(2) | {"NPI": "1000000138"}]))
    code, output, _ = await invoke(runner, "nppes", str(file), "--rejects", str(rejects))
    assert code == 0
    assert "individuals" in output
    assert "wrong NPI check digit" in output
    assert "2 rows in" in output
    assert f"Rejects are listed in {rejects}" in output
    assert [row["identifier"] for row in read_rejects(rejects)] == ["1000000138"]


async def test_rejects_are_listed_in_the_working_directory_by_default(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / "file.csv"
    file.write_text(content([individual(1), individual(2) | {"NPI": "1000000138"}]))
    code, output, _ = await invoke(runner, "nppes", str(file))
    assert code == 0
    assert f"listed in {tmp_path / 'file.csv.rejects.csv'}" in output
    assert len(read_rejects(tmp_path / "file.csv.rejects.csv")) == 1


async def test_file_without_usable_rows_exits_with_3(runner: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text(content([individual(2) | {"NPI": "1000000138"}]))
    code, output, errors = await invoke(runner, "nppes", str(file))
    assert code == 3
    assert "wrong NPI check digit" in output
    assert errors.strip() == "Nothing was imported: no row could be used."


async def test_damaged_file_exits_with_2_and_counts_the_rows_before(runner: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "file.csv.gz"
    packed = gzip.compress(content(individual(number) for number in range(1, 500)).encode())
    file.write_bytes(packed[: len(packed) // 2])
    code, output, errors = await invoke(runner, "nppes", str(file))
    assert code == 2
    assert "individuals" in output
    assert "damaged after line" in errors


@pytest.mark.parametrize("text", ["", "id,name\n1,2\n"])
async def test_unusable_file_prints_one_line_and_exits_with_2(runner: CliRunner, tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.csv"
    file.write_text(text)
    code, output, errors = await invoke(runner, "nppes", str(file))
    assert (code, output) == (2, "")
    assert len(errors.strip().splitlines()) == 1
    assert "NPPES file" in errors


async def test_missing_files_exit_with_2(runner: CliRunner, tmp_path: Path) -> None:
    for arguments in (["nppes", str(tmp_path / "no.csv")], ["qhp", str(tmp_path / "a"), str(tmp_path / "b")]):
        code, _, errors = await invoke(runner, *arguments)
        assert code == 2
        assert "No such file" in errors
        assert len(errors.strip().splitlines()) == 1


async def test_unreachable_database_exits_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_DIRECTORY_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    file = tmp_path / "file.csv"
    file.write_text(content([individual(1)]))
    code, _, errors = await invoke(CliRunner(), "nppes", str(file))
    assert code == 1
    assert "database" in errors
